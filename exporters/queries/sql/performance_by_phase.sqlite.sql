SELECT phase,
       processor_name,
       COUNT(*) AS runs,
       AVG(duration_seconds) AS avg_duration,
       MAX(duration_seconds) AS max_duration,
       COUNT(CASE WHEN status = 'failed' THEN 1 END) AS failures
FROM processor_run_history
WHERE run_timestamp >= @now - @hours * 3600000000
GROUP BY phase, processor_name
ORDER BY phase, avg_duration DESC, processor_name
