SELECT status,
       records,
       triggered_at,
       printf('%02d:%s %s', (strftime('%H', clock, 'unixepoch') + 11) % 12 + 1, strftime('%M', clock, 'unixepoch'),
              CASE WHEN strftime('%H', clock, 'unixepoch') < '12' THEN 'AM' ELSE 'PM' END) AS time_et
FROM (SELECT status, run_id, attempt, triggered_at,
             json_extract(data_summary, '$.record_count') AS records,
             (triggered_at + CASE WHEN triggered_at < @clock_changes_at THEN @clock_offset ELSE @clock_offset_after END)
               / 1000000 AS clock
      FROM scraper_execution_log
      WHERE triggered_at >= @day_start
        AND triggered_at < @day_end
        AND scraper_name = @scraper)
ORDER BY triggered_at DESC, run_id DESC, attempt DESC
LIMIT 1
