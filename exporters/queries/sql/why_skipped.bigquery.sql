SELECT decision_time, action, reason, context
FROM `{dataset}.workflow_decisions_between`(DATE_SUB(@date, INTERVAL 1 DAY), DATE '9999-12-31')
WHERE DATE(decision_time, @zone) = @date
  AND workflow_name = @workflow
ORDER BY decision_time DESC, event_id
