SELECT decision_time, "action", reason, context
FROM workflow_decisions
WHERE decision_time >= @day_start
  AND decision_time < @day_end
  AND workflow_name = @workflow
ORDER BY decision_time DESC, event_id
