SELECT 'workflow_decisions' AS alert_source,
       workflow_name,
       MAX(decision_time) AS last_evaluation,
       (@now - MAX(decision_time)) / 3600000000 AS hours_since_last
FROM workflow_decisions
WHERE decision_time >= @day_start
  AND decision_time < @day_end
  AND priority = 'CRITICAL'
GROUP BY workflow_name
HAVING (@now - MAX(decision_time)) / 3600000000 > @hours
ORDER BY last_evaluation, workflow_name
