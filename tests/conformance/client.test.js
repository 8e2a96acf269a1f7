// @electric-sql/client: each way to follow a shape, while the table changes; each ends as Postgres'
// table. Started like subsets.test.js, and with WRITE_URL: POST /sql runs a statement.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { FetchError, Shape, ShapeStream, isChangeMessage, isControlMessage } from '@electric-sql/client'
import { readExpected, settle, byId } from './common.js'

const { SHAPE_URL, WRITE_URL, TABLE, READY } = process.env
const url = `${SHAPE_URL}/v1/shape`
const end = new AbortController()

async function sql(statement) {
  const response = await fetch(`${WRITE_URL}/sql`, { method: 'POST', body: statement })
  assert.equal(response.status, 200)
}

// A stream with what went over the wire and what it said.
function follow(table, options = {}) {
  const seen = { responses: [], messages: [], errors: [] }
  const stream = new ShapeStream({
    url,
    signal: end.signal,
    onError: (error) => {
      seen.errors.push(error)
    },
    ...options,
    params: { table, ...options.params },
    fetchClient: async (...args) => {
      const response = await fetch(...args)
      seen.responses.push({
        status: response.status,
        type: response.headers.get('content-type'),
        url: String(args[0]),
      })
      return response
    },
  })
  stream.subscribe((messages) => seen.messages.push(...messages))
  return { ...seen, stream, shape: new Shape(stream) }
}

const changes = ({ messages }) => messages.filter(isChangeMessage)
const controls = ({ messages }) => messages.filter(isControlMessage).map(({ headers }) => headers.control)
const statuses = ({ responses }) => new Set(responses.map(({ status }) => status))

const polled = follow(TABLE)
const streamed = follow(TABLE, { liveSse: true })
const narrow = follow(TABLE, { params: { columns: ['id', 'n'] } })
const full = follow(TABLE, { params: { replica: 'full', where: 'n > $1', params: { 1: '-1' } } })
const news = follow(TABLE, { offset: 'now' })
const watched = [polled, streamed, narrow, full]

test('all of them come to be up to date', async () => {
  await Promise.all(watched.map(({ shape }) => shape.rows))
  assert.ok(watched.every(({ stream }) => stream.isUpToDate && stream.isConnected()))
  await settle(() => assert.ok(changes(news).length > 20 && changes(full).length > 20))
  writeFileSync(READY, '')
})

test('all of them end as the table', async () => {
  const { rows } = await readExpected()
  await settle(() => {
    assert.deepEqual(byId(polled.shape.currentRows), byId(rows))
    assert.deepEqual(byId(streamed.shape.currentRows), byId(rows))
    assert.deepEqual(byId(narrow.shape.currentRows), byId(rows.map(({ id, n }) => ({ id, n }))))
    assert.deepEqual(byId(full.shape.currentRows), byId(rows.filter(({ n }) => Number(n) > -1)))
  })
  for (const one of [...watched, news]) {
    assert.deepEqual(one.errors, [])
    assert.deepEqual([...statuses(one)], [200])
  }
})

test('server-sent events were used by who asked for them', () => {
  const events = ({ responses }) => responses.filter(({ type }) => type === 'text/event-stream')
  assert.ok(events(streamed).length > 0)
  assert.equal(events(polled).length, 0)
})

test('from now on there are no rows of before', () => {
  assert.ok(changes(news).every(({ headers }) => typeof headers.lsn === 'string'))
  assert.ok(!controls(news).includes('snapshot-end'))
})

test('replica=full says what was before', () => {
  const updates = changes(full).filter(({ headers }) => headers.operation === 'update')
  assert.ok(updates.length > 0)
  for (const { value, old_value: old } of updates) {
    assert.deepEqual(Object.keys(value).sort(), ['id', 'n', 'v'])
    assert.ok(Object.keys(old).length > 0)
    assert.ok(Object.keys(old).some((column) => old[column] !== value[column]))
  }
})

test('values come as their types', async () => {
  await sql(`
    CREATE TABLE c_types (id int PRIMARY KEY, i2 int2, i8 int8, f4 float4, f8 float8, num numeric,
      b bool, t text, vc varchar(9), u uuid, d date, tz timestamptz, iv interval, by bytea, j json,
      jb jsonb, ia int[], ba bool[], ta text[], i8a int8[], fa float8[], ja jsonb[], ia2 int[]);
    INSERT INTO c_types VALUES
      (1, -3, 9007199254740993, 1.5, 0.1, 12345678901234567890.5, true, 'a"b\\c''ü', 'v',
       'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '2024-02-29', '2024-01-02 03:04:05+02', '1 day 2 s',
       '\\xdeadbeef', '{"a": [1, null]}', '{"b": "ü"}', '{1,NULL,3}', '{t,f}',
       '{a,"b,c",NULL,"NULL","q\\"q"}', '{9007199254740993}', '{1.5,NaN}', '{"{\\"x\\": 1}"}',
       '{{1,2},{3,4}}'),
      (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       NULL, NULL, '{}', NULL, NULL, NULL, NULL);`)
  const typed = follow('c_types')
  const [one, two] = (await typed.shape.rows).sort((a, b) => a.id - b.id)
  const want = {
    id: 1, i2: -3, i8: 9007199254740993n, f4: 1.5, f8: 0.1, num: '12345678901234567890.5', b: true,
    t: 'a"b\\c\'ü', vc: 'v', u: 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', d: '2024-02-29',
    tz: '2024-01-02 01:04:05+00', iv: 'P1DT2S', by: '\\xdeadbeef', j: { a: [1, null] },
    jb: { b: 'ü' }, ia: [1, null, 3], ba: [true, false], ta: ['a', 'b,c', null, 'NULL', 'q"q'],
    i8a: [9007199254740993n], fa: [1.5, NaN], ja: [{ x: 1 }], ia2: [[1, 2], [3, 4]],
  }
  assert.deepEqual(one, want)
  const nothing = Object.fromEntries(Object.keys(want).map((column) => [column, null]))
  assert.deepEqual(two, { ...nothing, id: 2, ta: [] })
  // A change is read like a row.
  await sql('DELETE FROM c_types; INSERT INTO c_types (id, b, ba, j) VALUES (3, false, \'{f,t}\', \'[1]\')')
  await settle(() =>
    assert.deepEqual(typed.shape.currentRows, [
      { ...nothing, id: 3, b: false, ba: [false, true], j: [1] },
    ]),
  )
  const own = follow('c_types', { parser: { int4: (text) => `<${text}>` } })
  assert.equal((await own.shape.rows)[0].id, '<3>')
})

test('a shape that ends is followed again', async () => {
  await sql('CREATE TABLE c_cut (id int PRIMARY KEY, v text); INSERT INTO c_cut VALUES (1, \'a\')')
  const whole = follow('c_cut')
  const parts = follow('c_cut', { log: 'changes_only' })
  await whole.shape.rows
  await parts.shape.requestSnapshot({ where: 'id < 10' })
  const handle = whole.stream.shapeHandle
  await sql('TRUNCATE c_cut; INSERT INTO c_cut VALUES (2, \'b\')')
  await settle(() => {
    assert.deepEqual(whole.shape.currentRows, [{ id: 2, v: 'b' }])
    assert.deepEqual(parts.shape.currentRows, [{ id: 2, v: 'b' }])
  })
  assert.notEqual(whole.stream.shapeHandle, handle)
  assert.ok(controls(whole).includes('must-refetch') && statuses(whole).has(409))
  assert.deepEqual([...whole.errors, ...parts.errors], [])
})

test('an error is told, and the answer to it tried', async () => {
  const told = []
  const mended = follow(TABLE, {
    params: { where: 'nope = 1' },
    onError: (error) => {
      told.push(error)
      return { params: { table: TABLE, where: 'id = 1' } }
    },
  })
  await settle(() => assert.ok(mended.stream.isUpToDate))
  assert.ok(told[0] instanceof FetchError && told[0].status === 400)
  assert.match(JSON.stringify(told[0].json), /unknown reference nope/)
  const refused = follow('no_such_table')
  await settle(() => assert.equal(refused.errors.length, 1))
  await sleep(300)
  assert.equal(refused.responses.length, 1)
})

test('who is told to end asks no more', async () => {
  const own = new AbortController()
  const one = follow(TABLE, { signal: own.signal })
  await one.shape.rows
  own.abort()
  const count = one.responses.length
  await sql(`INSERT INTO ${TABLE} VALUES (900001, 1, 'late')`)
  await sleep(500)
  assert.ok(one.responses.length <= count + 1)
  assert.ok(!one.shape.currentRows.some(({ id }) => id === 900001))
  await settle(() => assert.ok(polled.shape.currentRows.some(({ id }) => id === 900001)))
  end.abort()
  setTimeout(() => process.exit(), 500).unref()
})
