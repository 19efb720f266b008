SELECT source,
       environment,
       COUNT(*) AS executions,
       COUNTIF(status = 'success') AS successful,
       ROUND(AVG(duration_seconds), 2) AS avg_duration,
       SUM(duration_seconds) AS total_seconds
FROM `{dataset}.scraper_execution_log_between`(
       DATE_SUB(DATE_SUB(DATE(@now), INTERVAL @days DAY), INTERVAL 1 DAY), DATE '9999-12-31')
WHERE DATE(triggered_at) >= DATE_SUB(DATE(@now), INTERVAL @days DAY)
GROUP BY source, environment
ORDER BY executions DESC, source, environment
