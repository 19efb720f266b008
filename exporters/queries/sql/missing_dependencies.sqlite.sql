SELECT dependency.value AS missing_dependency,
       COUNT(*) AS failure_count,
       COUNT(DISTINCT processor_name) AS affected_processors
FROM (SELECT processor_name, missing_dependencies
      FROM processor_run_history
      WHERE run_timestamp >= @now - @days * 86400000000) AS runs,
     json_each(runs.missing_dependencies) AS dependency
WHERE json_type(runs.missing_dependencies) = 'array'
GROUP BY missing_dependency
ORDER BY failure_count DESC, missing_dependency
LIMIT @limit
