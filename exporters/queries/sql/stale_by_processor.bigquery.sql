SELECT processor_name, COUNT(*) AS stuck_count
FROM `{dataset}.processor_run_history_between`(DATE_SUB(DATE(@now), INTERVAL @days DAY), DATE '9999-12-31')
WHERE status = 'running'
  AND GREATEST(run_timestamp, last_seen_at) < TIMESTAMP_SUB(@now, INTERVAL @hours HOUR)
GROUP BY processor_name
ORDER BY stuck_count DESC, processor_name
