SELECT scraper_name,
       COUNT(*) AS total_runs,
       COUNT(CASE WHEN status = 'success' THEN 1 END) AS success_count,
       ROUND(COUNT(CASE WHEN status = 'success' THEN 1 END) * 100.0 / COUNT(*), 1) AS success_rate_pct,
       ROUND(AVG(duration_seconds), 2) AS avg_duration_sec
FROM scraper_execution_log
WHERE triggered_at >= (@now / 86400000000 - @days) * 86400000000
GROUP BY scraper_name
ORDER BY success_rate_pct, scraper_name
