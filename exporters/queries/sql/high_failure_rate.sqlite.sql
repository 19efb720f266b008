SELECT scraper_name,
       COUNT(*) AS total_runs,
       COUNT(CASE WHEN status = 'failed' THEN 1 END) AS failures,
       ROUND(COUNT(CASE WHEN status = 'failed' THEN 1 END) * 100.0 / COUNT(*), 1) AS failure_rate_pct
FROM scraper_execution_log
WHERE triggered_at >= (@now / 86400000000 - @days) * 86400000000
GROUP BY scraper_name
HAVING ROUND(COUNT(CASE WHEN status = 'failed' THEN 1 END) * 100.0 / COUNT(*), 1) > @percent
ORDER BY failure_rate_pct DESC, scraper_name
