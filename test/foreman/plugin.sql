-- What the tests need of Foreman's database: the tables as the migrations of foreman_dlm 4.0.0 leave them.
CREATE TABLE hosts (id serial PRIMARY KEY, name varchar NOT NULL);
INSERT INTO hosts (name) SELECT format('web%s.example.com', n) FROM generate_series(1, 4) n;
CREATE TABLE dlmlocks (
    id bigserial PRIMARY KEY,
    name varchar NOT NULL,
    type varchar,
    enabled boolean NOT NULL DEFAULT true,
    host_id integer CONSTRAINT fk_rails_hosts REFERENCES hosts,
    created_at timestamp,
    updated_at timestamp
);
CREATE INDEX index_dlmlocks_on_enabled ON dlmlocks (enabled);
CREATE INDEX index_dlmlocks_on_host_id ON dlmlocks (host_id);
CREATE INDEX index_dlmlocks_on_type ON dlmlocks (type);

-- For the tests: meet(K, N) returns once all N clients have called it with K, the number of this meeting. A sequence
-- is no part of a transaction, so a client can meet the others in the middle of one.
CREATE SEQUENCE meetings;
CREATE FUNCTION meet(k integer, clients integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    deadline timestamptz := clock_timestamp() + interval '60 s';
    came bigint;
BEGIN
    PERFORM nextval('meetings');
    LOOP
        SELECT last_value INTO came FROM meetings;
        EXIT WHEN came >= k * clients;
        IF clock_timestamp() > deadline THEN
            RAISE EXCEPTION 'only % came to meeting %', came - (k - 1) * clients, k;
        END IF;
        PERFORM pg_sleep(0.0002);
    END LOOP;
END $$;
