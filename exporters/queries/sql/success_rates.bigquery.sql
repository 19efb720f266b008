SELECT scraper_name,
       COUNT(*) AS total_runs,
       COUNTIF(status = 'success') AS success_count,
       ROUND(COUNTIF(status = 'success') * 100.0 / COUNT(*), 1) AS success_rate_pct,
       ROUND(AVG(duration_seconds), 2) AS avg_duration_sec
FROM `{dataset}.scraper_execution_log_between`(
       DATE_SUB(DATE_SUB(DATE(@now), INTERVAL @days DAY), INTERVAL 1 DAY), DATE '9999-12-31')
WHERE DATE(triggered_at) >= DATE_SUB(DATE(@now), INTERVAL @days DAY)
GROUP BY scraper_name
ORDER BY success_rate_pct, scraper_name
