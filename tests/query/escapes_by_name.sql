-- Refused, one statement a line: a function or a table reached by its bare name, or what might be one.
SELECT arrayMap(file, ['/etc/passwd'])
SELECT arrayMap((file), ['/etc/passwd'])
SELECT arrayMap(((file)), ['/etc/passwd'])
SELECT arrayMap(`file`, ['/etc/passwd'])
SELECT arrayMap("file", ['/etc/passwd'])
SELECT arrayMap(FILE, ['/etc/passwd'])
SELECT ARRAYMAP(file, ['/etc/passwd'])
SELECT `arrayMap`(file, ['/etc/passwd'])
SELECT "arrayMap"(file, ['/etc/passwd'])
SELECT arrayMap/**/(/**/file/**/, ['/etc/passwd'])
SELECT arrayMap(filesystemAvailable, ['default'])
SELECT arrayMap(lower, ['A'])
SELECT arrayMap(x -> arrayMap(file, [x]), ['/etc/passwd'])
SELECT arrayMap(x -> file, ['/etc/passwd'])
SELECT arrayMap(file -> arrayMap(file, ['/etc/passwd']), [1])
SELECT arrayMap(file, x -> x, ['/etc/passwd'], [1])
SELECT arrayMap(file, (x) -> x, ['/etc/passwd'], [1])
SELECT arrayMap((file, x), ['/etc/passwd'], [1])
SELECT arrayMap((x -> file)('/etc/passwd'), ['/etc/passwd'])
SELECT arrayMap(file -> 1, ['/etc/passwd']), arrayMap(file, ['/etc/passwd'])
SELECT arrayMap([file][1], ['/etc/passwd'])
SELECT arrayMap(file::String, ['/etc/passwd'])
SELECT arrayMap(file.1, ['/etc/passwd'])
SELECT arrayMap(default.file, ['/etc/passwd'])
SELECT arrayMap(1 AS file, ['/etc/passwd'])
WITH file AS f SELECT arrayMap(f, ['/etc/passwd'])
WITH 1 AS file SELECT arrayMap(file, ['/etc/passwd'])
WITH (x -> file(x)) AS f SELECT arrayMap(f, ['/etc/passwd'])
WITH file AS lower SELECT arrayMap(lower, ['/etc/passwd'])
WITH f AS (SELECT file) SELECT arrayMap(f, ['/etc/passwd'])
SELECT arrayMap(file, ['/etc/passwd']), 1 AS file
SELECT arrayMap(file, ['/etc/passwd']) FROM (SELECT 1 AS file) AS q
SELECT (SELECT arrayMap(file, ['/etc/passwd'])) FROM (SELECT 1 AS file) AS q
SELECT arrayMap((SELECT file), ['/etc/passwd'])
SELECT arrayMap(Version, ['/etc/passwd']) FROM findings
SELECT arrayFilter(isNotNull, [1]), arrayExists(file, ['/etc/passwd'])
SELECT arrayFilter(file, ['/etc/passwd'])
SELECT arraySort(file, ['/etc/passwd'])
SELECT arrayReverseSort(file, ['/etc/passwd'])
SELECT arrayMax(file, ['/etc/passwd'])
SELECT arraySum(hostName, [1])
SELECT arrayFold(file, ['/etc/passwd'], '')
SELECT arrayFold(acc, file -> acc, [1], 0)
SELECT arrayAll(file, ['/etc/passwd'])
SELECT arrayCount(file, ['/etc/passwd'])
SELECT arrayFirst(file, ['/etc/passwd'])
SELECT arrayFill(file, ['/etc/passwd'])
SELECT arraySplit(file, ['/etc/passwd'])
SELECT arrayCompact(file, ['/etc/passwd'])
SELECT arrayPartialSort(file, 1, ['/etc/passwd'])
SELECT arrayTopK(file, 1, ['/etc/passwd'])
SELECT mapApply(file, map('/etc/passwd', 'x'))
SELECT mapFilter(file, map('/etc/passwd', 'x'))
SELECT mapSort(file, map('/etc/passwd', 'x'))
SELECT mapExists(file, map('/etc/passwd', 'x'))
SELECT arraySort(file)
SELECT arrayJoin(file)
SELECT concat(file, 'x')
SELECT currentUser
SELECT `currentUser`
SELECT "currentUser"
SELECT current_user
SELECT CURRENT_USER
SELECT user
SELECT USER
SELECT session_user
SELECT SESSION_USER
SELECT database
SELECT DATABASE
SELECT schema
SELECT currentDatabase
SELECT current_database
SELECT CURRENT_DATABASE
SELECT currentHandler
SELECT currentRequestURL
SELECT CURRENT_SCHEMA
SELECT dateDiff(user, now(), now())
SELECT EXTRACT(user FROM now())
SELECT now() + INTERVAL 1 user
SELECT t.user FROM findings AS t
SELECT 1 AS user
SELECT (SELECT currentUser) FROM (SELECT 1 AS currentUser)
WITH c AS (SELECT currentUser AS z) SELECT z FROM c, (SELECT 1 AS currentUser) AS q
SELECT z FROM (SELECT currentUser AS z) AS a, (SELECT 1 AS currentUser) AS q
SELECT arrayMap(currentUser -> (SELECT currentUser), [1])
SELECT x FROM (SELECT 1 AS x) ORDER BY currentUser
SELECT x FROM (SELECT 1 AS x) WHERE 'default' = currentUser
SELECT 1 LIMIT currentUser
SELECT x FROM (SELECT 1 AS x) GROUP BY x, user
SELECT * REPLACE (currentUser AS x) FROM (SELECT 1 AS x)
SELECT sum(1) OVER (PARTITION BY user)
SELECT number FROM numbers(length(user))
SELECT CAST(user, 'String')
SELECT user::String
SELECT [user], (user, 1), map('a', user)
SELECT CASE user WHEN 'default' THEN 1 END
SELECT 1 FROM findings ARRAY JOIN [user] AS u
SELECT * APPLY file FROM (SELECT '/etc/passwd' AS x)
SELECT * APPLY(file) FROM (SELECT '/etc/passwd' AS x)
SELECT * APPLY file('/etc/passwd') FROM (SELECT 1 AS x)
SELECT * APPLY(x -> file(x)) FROM (SELECT '/etc/passwd' AS x)
SELECT * APPLY `file` FROM (SELECT '/etc/passwd' AS x)
SELECT COLUMNS('x') APPLY(file) FROM (SELECT '/etc/passwd' AS x)
SELECT COLUMNS('x') APPLY file FROM (SELECT '/etc/passwd' AS x)
SELECT COLUMNS(x) APPLY(file) FROM (SELECT '/etc/passwd' AS x)
SELECT t.* APPLY(file) FROM (SELECT '/etc/passwd' AS x) AS t
SELECT * EXCEPT (y) APPLY(file) FROM (SELECT '/etc/passwd' AS x, 1 AS y)
SELECT * APPLY(lower) APPLY(file) FROM (SELECT '/etc/passwd' AS x)
SELECT arrayReduce('file', ['/etc/passwd'])
SELECT arrayReduce('sumIf', [1], [1])
SELECT arrayReduceInRanges('sum', [(1, 1)], [1])
SELECT initializeAggregation('sum', 1)
SELECT finalizeAggregation(initializeAggregation('sumState', 1))
SELECT sumState(1)
SELECT sumMerge(x) FROM (SELECT sumState(1) AS x)
SELECT fileIf('/etc/passwd', 1)
SELECT fileOrNull('/etc/passwd')
SELECT fileForEach(['/etc/passwd'])
SELECT quantile(file)(1)
SELECT file(1)('/etc/passwd')
SELECT quantile(0.5)(arrayMap(file, ['/etc/passwd']))
SELECT lambda(tuple(x), file(x))
SELECT arrayMap(lambda(tuple(x), file(x)), ['/etc/passwd'])
SELECT ['/etc/passwd'].map(file)
SELECT '/etc/passwd' -> file
SELECT '/etc/passwd'::file
SELECT CAST('/etc/passwd' AS file)
SELECT EXECUTE file
SELECT dictGet(d, 'a', 1)
SELECT dictGet.x
SELECT * FROM numbers(file)
SELECT * FROM numbers
SELECT * FROM zeros
SELECT * FROM one
SELECT [x for x in findings]
SELECT '2' IN schema_migrations
SELECT '2' IN (schema_migrations)
SELECT '2' IN ((schema_migrations))
SELECT '2' IN (schema_migrations AS q)
SELECT '2' NOT IN schema_migrations
SELECT '2' GLOBAL IN schema_migrations
SELECT '2' GLOBAL NOT IN (schema_migrations)
SELECT '2' IN `schema_migrations`
SELECT '2' IN "default.schema_migrations"
SELECT '2' IN default.schema_migrations
SELECT notIn('2', schema_migrations)
SELECT notIn('2', default.schema_migrations) FROM (SELECT 1 AS x) AS default
SELECT notIn('2', (schema_migrations))
SELECT NOTIN('2', schema_migrations)
SELECT x IN findings FROM (SELECT 1 AS x)
SELECT x IN (findings) FROM (SELECT 1 AS x)
SELECT SessionId IN findings FROM findings
SELECT SessionId IN Value FROM findings
SELECT SessionId IN f FROM findings AS f
SELECT '2' IN schema_migrations FROM (SELECT '2' IN schema_migrations), (SELECT 1 AS schema_migrations) AS q
SELECT z FROM (SELECT '2' IN schema_migrations AS z), (SELECT 1 AS schema_migrations) AS q
SELECT arrayMap(schema_migrations -> (SELECT '2' IN schema_migrations), [1])
SELECT arrayMap(schema_migrations -> 1, [1]), '2' IN schema_migrations
SELECT '2' IN schema_migrations, (SELECT 1 AS schema_migrations) AS q
SELECT '2' IN schema_migrations FROM (WITH schema_migrations AS (SELECT 1) SELECT 1) AS q
SELECT * FROM schema_migrations, (WITH schema_migrations AS (SELECT 1) SELECT 1) AS q
SELECT * FROM (WITH schema_migrations AS (SELECT 1) SELECT 1) AS q, schema_migrations
WITH schema_migrations AS (SELECT * FROM schema_migrations) SELECT * FROM schema_migrations
WITH RECURSIVE schema_migrations AS (SELECT * FROM schema_migrations) SELECT * FROM schema_migrations
WITH RECURSIVE schema_migrations AS (SELECT * FROM schema_migrations UNION ALL SELECT * FROM schema_migrations) SELECT * FROM schema_migrations
WITH RECURSIVE schema_migrations AS (SELECT 1 AS n UNION ALL SELECT Number FROM schema_migrations) SELECT * FROM schema_migrations
WITH RECURSIVE schema_migrations AS (SELECT 1 AS n UNION ALL SELECT 1 WHERE 1 IN (SELECT Number FROM schema_migrations)) SELECT * FROM schema_migrations
WITH 1 AS schema_migrations SELECT * FROM schema_migrations
WITH (SELECT 1) AS schema_migrations SELECT * FROM schema_migrations
WITH a AS (SELECT * FROM schema_migrations), schema_migrations AS (SELECT 1) SELECT * FROM a
(WITH schema_migrations AS (SELECT 1) SELECT 1) UNION ALL SELECT count() FROM schema_migrations
SELECT 1 UNION ALL (WITH schema_migrations AS (SELECT 1) SELECT 1) UNION ALL SELECT count() FROM schema_migrations
SELECT (WITH schema_migrations AS (SELECT 1) SELECT 1), (SELECT count() FROM schema_migrations)
WITH schema_migrations AS (SELECT 1 AS x) SELECT count() FROM SCHEMA_MIGRATIONS
SELECT count() FROM findings GROUP BY schema_migrations
SELECT count() FROM findings JOIN schema_migrations USING (x)
SELECT 1 FROM findings WHERE (1, 2) IN (SELECT * FROM schema_migrations)
FROM schema_migrations SELECT 1
SELECT '2' IN findings FROM tool_calls AS findings
SELECT '1' IN (SELECT * FROM x) FROM (WITH x AS (SELECT 1) SELECT 1)
SELECT ['2'] AS schema_migrations, (SELECT '2' IN schema_migrations)
SELECT (SELECT '2' IN schema_migrations) FROM (SELECT ['2'] AS schema_migrations)
SELECT 1 AS x, (SELECT count() FROM findings WHERE '2' IN schema_migrations), ['2'] AS schema_migrations
SELECT '2' IN schema_migrations FROM (SELECT * EXCEPT (schema_migrations) FROM (SELECT ['2'] AS schema_migrations, 1 AS o))
SELECT '2' IN schema_migrations FROM (SELECT COLUMNS('o') FROM (SELECT ['2'] AS schema_migrations, 1 AS o))
SELECT '2' IN schema_migrations FROM (SELECT t.* FROM (SELECT 1 AS o) AS t, (SELECT ['2'] AS schema_migrations) AS u)
SELECT '2' IN schema_migrations FROM (SELECT 1 AS o UNION ALL SELECT 2 AS schema_migrations)
SELECT '2' IN schema_migrations FROM (SELECT 1 AS o EXCEPT SELECT 2 AS schema_migrations)
SELECT * REPLACE (1 AS schema_migrations) FROM (SELECT 1 AS o) WHERE '2' IN schema_migrations
SELECT sum(1 AS schema_migrations) OVER (ORDER BY '2' IN schema_migrations)
SELECT 1 WHERE '2' IN schema_migrations GROUP BY ['2'] AS schema_migrations
SELECT arrayMap(x -> (['2'] AS schema_migrations), [1]), '2' IN schema_migrations
SELECT (SELECT 1 AS schema_migrations) AS z, '2' IN schema_migrations
SELECT '2' IN schema_migrations FROM findings AS schema_migrations
SELECT '2' IN schema_migrations FROM (SELECT 1 AS o) AS a JOIN (SELECT 1 AS o) AS schema_migrations USING (o)
SELECT '2' IN schema_migrations FROM (SELECT 1 AS o) AS a JOIN (SELECT 1 AS o) AS b ON (a.o AS schema_migrations) = b.o
SELECT number, '2' IN schema_migrations FROM numbers(2 AS schema_migrations)
SELECT 1 IN (SELECT '2' IN schema_migrations) FROM (SELECT ['2'] AS schema_migrations)
SELECT 1 IN (['2'] AS schema_migrations), '2' IN schema_migrations
SELECT '2' IN schema_migrations FROM (SELECT q.schema_migrations FROM (SELECT ['2'] AS schema_migrations) AS q)
SELECT '2' IN schema_migrations FROM (SELECT q.schema_migrations FROM (SELECT ['2'] AS schema_migrations) AS q, (SELECT ['2'] AS schema_migrations) AS r)
SELECT '2' IN schema_migrations FROM (SELECT t.schema_migrations FROM (SELECT CAST(tuple(['2']), 'Tuple(schema_migrations Array(String))') AS t))
SELECT '2' IN schema_migrations FROM (SELECT t.1 AS o, t.schema_migrations FROM (SELECT CAST(tuple(['2']), 'Tuple(schema_migrations Array(String))') AS t))
SELECT '2' IN "a.schema_migrations" FROM (SELECT a.*, b.* FROM (SELECT ['2'] AS schema_migrations) AS a, (SELECT ['2'] AS schema_migrations) AS b)
SELECT '2' IN SpanId FROM findings ARRAY JOIN Evidence.SpanId
SELECT '2' IN Evidence.SpanId FROM findings
SELECT '2' IN schema_migrations FROM (SELECT tuple(['2'] AS schema_migrations).1)
SELECT '2' IN schema_migrations FROM (SELECT (['2'] AS schema_migrations))
SELECT '2' IN schema_migrations FROM (SELECT ((['2'] AS schema_migrations)) AS v)
SELECT '2' IN schema_migrations FROM (SELECT sum(1) OVER schema_migrations FROM findings WINDOW schema_migrations AS ())
SELECT '2' IN schema_migrations FROM (SELECT CAST(1 AS schema_migrations))
SELECT '2' IN schema_migrations FROM (SELECT schema_migrations.Id FROM findings AS schema_migrations)
SELECT '2' IN sum FROM (SELECT sum(1))
SELECT '2' IN schema_migrations FROM (SELECT '1'[schema_migrations] FROM findings)
SELECT '2' IN schema_migrations FROM (SELECT 'schema_migrations')
SELECT '2' IN schema_migrations FROM (SELECT "schema_migrations"::String FROM (SELECT 1 AS schema_migrations))
SELECT '2' IN schema_migrations FROM (SELECT (SELECT 1 AS schema_migrations))
SELECT '2' IN schema_migrations FROM (SELECT (schema_migrations) FROM (SELECT ['2'] AS schema_migrations))
SELECT '2' IN schema_migrations FROM (SELECT schema_migrations.1 FROM (SELECT tuple(['2']) AS schema_migrations))
SELECT '2' IN schema_migrations FROM (SELECT schema_migrations[1] FROM (SELECT [['2']] AS schema_migrations))
SELECT '2' IN schema_migrations FROM (SELECT -schema_migrations FROM (SELECT 2 AS schema_migrations))
SELECT '2' IN schema_migrations FROM (SELECT NOT schema_migrations FROM (SELECT 2 AS schema_migrations))
SELECT '2' IN schema_migrations FROM (SELECT schema_migrations IS NULL FROM (SELECT 2 AS schema_migrations))
SELECT '2' IN schema_migrations FROM (SELECT DISTINCT ON (schema_migrations) o FROM (SELECT 1 AS o, 2 AS schema_migrations))
SELECT '2' IN schema_migrations FROM (SELECT lower(schema_migrations) FROM (SELECT 'a' AS schema_migrations))
SELECT '2' IN schema_migrations FROM (SELECT upper(schema_migrations) || 'x' FROM (SELECT 'a' AS schema_migrations))
SELECT '2' IN schema_migrations FROM (SELECT schema_migrations + INTERVAL 1 DAY FROM (SELECT now() AS schema_migrations))
SELECT '2' IN schema_migrations FROM (SELECT max(schema_migrations) OVER () FROM (SELECT now() AS schema_migrations))
SELECT '2' IN schema_migrations FROM (SELECT * EXCEPT schema_migrations FROM (SELECT ['2'] AS schema_migrations, 1 AS o))
SELECT '2' IN schema_migrations FROM (SELECT * EXCEPT ('schema_.*') FROM (SELECT ['2'] AS schema_migrations, 1 AS o))
SELECT '2' IN schema_migrations FROM (SELECT q.* EXCEPT (schema_migrations) FROM (SELECT ['2'] AS schema_migrations, 1 AS o) AS q)
SELECT '2' IN schema_migrations FROM (SELECT COLUMNS(schema_migrations, o) FROM (SELECT ['2'] AS schema_migrations, 1 AS o) AS q)
SELECT x FROM (SELECT 1 AS a UNION ALL SELECT 2 AS x)
SELECT '2' IN schema_migrations FROM (SELECT schema_migrations.schema_migrations FROM (SELECT CAST(tuple(['2']), 'Tuple(schema_migrations Array(String))') AS schema_migrations) AS q)
SELECT '2' IN x FROM (SELECT q.x FROM (SELECT ['2'] AS x) AS q)
SELECT '2' IN schema_migrations FROM (SELECT q.schema_migrations FROM (SELECT CAST(tuple(['2']), 'Tuple(schema_migrations Array(String))') AS q, 1 AS schema_migrations) AS q)
SELECT '2' IN schema_migrations FROM (SELECT t.schema_migrations FROM (SELECT 1 AS schema_migrations) AS t, (SELECT CAST(tuple(['2']), 'Tuple(schema_migrations Array(String))') AS t) AS w)
SELECT '2' IN schema_migrations FROM (SELECT * EXCEPT (o) REPLACE (1 AS schema_migrations) FROM (SELECT 1 AS o))
SELECT file
SELECT "file"
SELECT version
SELECT CURRENT_CATALOG
SELECT localtime
SELECT localtimestamp
SELECT schema_migrations, '2' IN schema_migrations
SELECT '2' IN schema_migrations, schema_migrations FROM (SELECT schema_migrations)
