SELECT scraper_name,
       COUNT(*) AS total_runs,
       COUNTIF(status = 'failed') AS failures,
       ROUND(COUNTIF(status = 'failed') * 100.0 / COUNT(*), 1) AS failure_rate_pct
FROM `{dataset}.scraper_execution_log_between`(
       DATE_SUB(DATE_SUB(DATE(@now), INTERVAL @days DAY), INTERVAL 1 DAY), DATE '9999-12-31')
WHERE DATE(triggered_at) >= DATE_SUB(DATE(@now), INTERVAL @days DAY)
GROUP BY scraper_name
HAVING ROUND(COUNTIF(status = 'failed') * 100.0 / COUNT(*), 1) > @percent
ORDER BY failure_rate_pct DESC, scraper_name
