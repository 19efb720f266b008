SELECT processor_name, COUNT(*) AS stuck_count
FROM processor_run_history
WHERE status = 'running'
  AND MAX(run_timestamp, last_seen_at) < @now - @hours * 3600000000
  AND updated_at >= (@now / 86400000000 - @days) * 86400000000
GROUP BY processor_name
ORDER BY stuck_count DESC, processor_name
