-- lock-guard-remove.sql: takes what lock-guard-install.sql has added out of Foreman's database, and nothing else.
--
--   psql -X -v ON_ERROR_STOP=1 -d foreman -f lock-guard-remove.sql
--
-- Runs as the owner of the table dlmlocks (foreman) or as a superuser (postgres), on the primary, while Foreman works.
-- Removes everything or nothing. Exit codes of psql: 0 nothing of the guard is there, 3 refused, 2 no connection.
\set ON_ERROR_STOP on
\set QUIET on
\set SHOW_CONTEXT never
BEGIN;
-- Requests for a lock queue up behind this transaction. Rather than hold them up, it gives up: also if psql is stopped
-- halfway, or its network breaks.
SET LOCAL lock_timeout = '3s';
SET LOCAL idle_in_transaction_session_timeout = '5s';
SET LOCAL search_path = pg_catalog;

DO $$
DECLARE
    -- In this order. What only has a part's name is not the guard's, and stays.
    parts text[] := ARRAY(
        SELECT format('trigger dlmlock_one_holder on %s', tgrelid::regclass)
        FROM pg_trigger JOIN pg_proc fn ON fn.oid = tgfoid
        WHERE tgname = 'dlmlock_one_holder' AND prosrc LIKE '%, which has to release it first%'
    ) || ARRAY(
        SELECT format('function %s', oid::regprocedure) FROM pg_proc
        WHERE proname = 'dlmlock_one_holder' AND pronargs = 0 AND prosrc LIKE '%, which has to release it first%'
    ) || ARRAY(
        SELECT format('index %s', indexrelid::regclass) FROM pg_index JOIN pg_class ix ON ix.oid = indexrelid
        WHERE relname = 'dlmlocks_one_of_a_name' AND pg_get_indexdef(indexrelid)
            = format('CREATE UNIQUE INDEX dlmlocks_one_of_a_name ON %s USING btree (type, name)', indrelid::regclass)
    );
    part text;
BEGIN
    IF pg_is_in_recovery() THEN
        RAISE EXCEPTION 'this server is a standby, which can''t be changed' USING HINT = 'Run this on its primary.';
    ELSIF parts = '{}' AND NOT EXISTS (SELECT FROM pg_class WHERE relname = 'dlmlocks' AND relkind = 'r') THEN
        RAISE EXCEPTION 'the database % has no table dlmlocks, and nothing of the guard', current_database()
            USING HINT = 'Is this Foreman''s database?';
    END IF;
    FOREACH part IN ARRAY parts LOOP
        EXECUTE format('DROP %s', part);
        RAISE INFO 'dropped the %', part;
    END LOOP;
    RAISE INFO 'nothing of the guard is in the database %', current_database() ||
        CASE parts WHEN '{}' THEN '; nothing had to be changed' ELSE ' any more' END;
END $$;
COMMIT;
