SELECT JSON_VALUE(dependency) AS missing_dependency,
       COUNT(*) AS failure_count,
       COUNT(DISTINCT processor_name) AS affected_processors
FROM `{dataset}.processor_run_history_between`(
       DATE_SUB(DATE(TIMESTAMP_SUB(@now, INTERVAL @days DAY)), INTERVAL 1 DAY), DATE '9999-12-31') AS runs,
     UNNEST(JSON_QUERY_ARRAY(runs.missing_dependencies)) AS dependency
WHERE runs.run_timestamp >= TIMESTAMP_SUB(@now, INTERVAL @days DAY)
GROUP BY missing_dependency
ORDER BY failure_count DESC, missing_dependency
LIMIT @limit
