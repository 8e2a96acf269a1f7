-- The tables that http.txt asks for.
CREATE TABLE g_items (id int PRIMARY KEY, v text, n int, at timestamptz);
INSERT INTO g_items VALUES (1, 'a', 10, '2024-01-02 01:04:05+00'), (2, NULL, 20, NULL);
CREATE TABLE g_nopk (a int, b text);
INSERT INTO g_nopk VALUES (1, 'x'), (1, NULL);
CREATE TABLE "G Weird" ("Id" int, "a b" text, "q""q" text, PRIMARY KEY ("Id", "a b"));
INSERT INTO "G Weird" VALUES (1, 'x/y', 'z');
CREATE TABLE g_gen (id int PRIMARY KEY, w int GENERATED ALWAYS AS (id * 2) STORED);
INSERT INTO g_gen VALUES (4);
CREATE VIEW g_view AS SELECT * FROM g_items;

CREATE TYPE g_mood AS ENUM ('sad', 'ok');
CREATE TYPE g_comp AS (a int, b text);
CREATE DOMAIN g_pos AS int CHECK (VALUE > 0);
CREATE TABLE g_types (
    id int PRIMARY KEY, b bool, i2 int2, i8 int8, f4 float4, f8 float8, num numeric(12, 3), money money, t text,
    vc varchar(5), ch char(4), by bytea, d date, ti time, tz timetz, ts timestamp, tstz timestamptz, iv interval,
    u uuid, js json, jb jsonb, ia int[], ta text[], mood g_mood, ma g_mood[], comp g_comp, pos g_pos, pt point,
    r int4range, inet inet, bits bit(3), xm xml, oidc oid);
INSERT INTO g_types VALUES
    (1, true, -3, 9007199254740993, 1.5, 0.1, 12345.6, '12.34'::money, E'q"\\back\nnl\té\u0001', 'abc', 'ab',
     '\xdeadbeef', '2024-02-29', '03:04:05.678', '03:04:05+02', '2024-01-02 03:04:05.123456',
     '2024-01-02 01:04:05+00', '1 year 2 mons 3 days 04:05:06.7', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
     '{"a": [1, 2]}', '{"b": 1, "a": 2}', '{1,NULL,3}', '{"a,b","q\"x",NULL}', 'ok', '{sad,ok}', '(1,"a b")', 7,
     '(1,2)', '[1,5)', '10.0.0.1/8', '101', '<a/>', 42),
    (2, false, 0, 0, 'NaN', '-Infinity', 'NaN', '-1'::money, '', '', '', '\x', 'infinity', '24:00:00', '00:00:00+00',
     '-infinity', '0044-03-15 00:00:00+00 BC', '-1 mon', NULL, 'null', 'null', '{}', '{}', NULL, '{}', NULL, 1,
     '(0,0)', 'empty', '::1', '000', NULL, 0);

CREATE TABLE g_parts (id int, region text, v text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE g_parts_eu PARTITION OF g_parts FOR VALUES IN ('eu');
CREATE TABLE g_parts_us PARTITION OF g_parts FOR VALUES IN ('us');
INSERT INTO g_parts VALUES (1, 'eu', 'x'), (2, 'us', 'y');

CREATE TABLE h_items (id int PRIMARY KEY, v text, n int);
INSERT INTO h_items VALUES (1, 'a', 10), (2, 'b', 20);
CREATE TABLE h_full (id int PRIMARY KEY, v text, n int);
INSERT INTO h_full VALUES (1, 'a', 10);
CREATE TABLE h_ddl (id int PRIMARY KEY, v text);
INSERT INTO h_ddl VALUES (1, 'a');
CREATE TABLE h_big (id int PRIMARY KEY, v text);
INSERT INTO h_big SELECT g, repeat('x', 1000) FROM generate_series(1, 25000) g;
