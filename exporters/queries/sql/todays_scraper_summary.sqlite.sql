SELECT scraper_name, COUNT(*) AS runs, COUNT(CASE WHEN status = 'success' THEN 1 END) AS successes
FROM scraper_execution_log
WHERE triggered_at >= @day_start
  AND triggered_at < @day_end
GROUP BY scraper_name
ORDER BY scraper_name
