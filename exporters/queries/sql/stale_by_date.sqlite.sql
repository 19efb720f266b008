SELECT processor_name, data_date, COUNT(*) AS stuck_count
FROM processor_run_history
WHERE status = 'running'
  AND MAX(run_timestamp, last_seen_at) < @now - @hours * 3600000000
  AND updated_at >= (@now / 86400000000 - @days) * 86400000000
GROUP BY processor_name, data_date
ORDER BY data_date DESC, stuck_count DESC, processor_name
LIMIT @limit
