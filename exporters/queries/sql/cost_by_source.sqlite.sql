SELECT source,
       environment,
       COUNT(*) AS executions,
       COUNT(CASE WHEN status = 'success' THEN 1 END) AS successful,
       ROUND(AVG(duration_seconds), 2) AS avg_duration,
       SUM(duration_seconds) AS total_seconds
FROM scraper_execution_log
WHERE triggered_at >= (@now / 86400000000 - @days) * 86400000000
GROUP BY source, environment
ORDER BY executions DESC, source, environment
