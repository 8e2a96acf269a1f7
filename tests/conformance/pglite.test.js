// @electric-sql/pglite-sync keeps a table of a Postgres in this process equal to the one that is
// written to. Started like subsets.test.js.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { PGlite } from '@electric-sql/pglite'
import { electricSync } from '@electric-sql/pglite-sync'
import { readExpected, settle } from './common.js'

const { SHAPE_URL, TABLE, READY } = process.env
const faults = []
const synced = []

const pg = await PGlite.create({ extensions: { electric: electricSync() } })
await pg.exec(`
  CREATE TABLE ${TABLE} (id int PRIMARY KEY, n int, v text);
  CREATE TABLE threes (id int PRIMARY KEY, n int, v text);
  CREATE TABLE ones (id int PRIMARY KEY, n int, v text);
`)

const follow = (where, table, options) => ({
  shape: { url: `${SHAPE_URL}/v1/shape`, params: { table: TABLE, ...(where && { where }) } },
  table,
  primaryKey: ['id'],
  ...options,
})
const onError = (error) => faults.push(`${error}`)

const single = await pg.electric.syncShapeToTable(
  follow(undefined, TABLE, {
    shapeKey: 'all',
    onInitialSync: () => synced.push('all'),
    onError,
  }),
)
const several = await pg.electric.syncShapesToTables({
  key: 'parts',
  shapes: { threes: follow('n = 3', 'threes'), ones: follow('n = 1', 'ones') },
  onInitialSync: () => synced.push('parts'),
  onError,
})

const rowsOf = async (table) => (await pg.query(`SELECT * FROM ${table} ORDER BY id`)).rows
const typed = (rows) =>
  rows
    .map(({ id, n, v }) => ({ id: Number(id), n: n === null ? null : Number(n), v }))
    .sort((a, b) => a.id - b.id)

test('the first sync comes', async () => {
  await settle(async () => {
    assert.deepEqual(synced.toSorted?.() ?? [...synced].sort(), ['all', 'parts'])
    assert.ok((await rowsOf(TABLE)).length > 0)
  })
  writeFileSync(READY, '')
})

test('both databases end equal', async () => {
  const want = typed((await readExpected()).rows)
  await settle(async () => {
    assert.deepEqual(await rowsOf(TABLE), want)
    assert.deepEqual(
      await rowsOf('threes'),
      want.filter(({ n }) => n === 3),
    )
    assert.deepEqual(
      await rowsOf('ones'),
      want.filter(({ n }) => n === 1),
    )
  })
  assert.ok(single.isUpToDate && several.isUpToDate)
  assert.deepEqual(faults, [])
})

test('a subscription that goes on knows where it was', async () => {
  single.unsubscribe()
  const before = await rowsOf(TABLE)
  const again = await pg.electric.syncShapeToTable(
    follow(undefined, TABLE, { shapeKey: 'all', onError }),
  )
  await settle(() => assert.ok(again.isUpToDate))
  assert.deepEqual(await rowsOf(TABLE), before)
  assert.deepEqual(faults, []) // its rows were not inserted once more
  again.unsubscribe()
  several.unsubscribe()
  await pg.close()
  setTimeout(() => process.exit(), 500).unref()
})
