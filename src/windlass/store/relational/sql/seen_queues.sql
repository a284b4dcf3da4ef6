SELECT queue FROM (SELECT queue FROM background_service_jobs ORDER BY id DESC LIMIT 2000)
UNION SELECT queue FROM (SELECT queue FROM windlass_activity_spans WHERE minutes = 15
       ORDER BY minute DESC LIMIT 2000)
UNION SELECT queue FROM windlass_queues
