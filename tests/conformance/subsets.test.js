// @electric-sql/client fills a changes_only shape by subsets while the table changes; at the end
// its rows are Postgres'.
//
// test_clients.py starts this. It gives SHAPE_URL, TABLE (id int from 1 to ROWS, n int, v text),
// METHOD, the path of a file, READY, that is made here when all subsets were asked for, and the path
// of one, EXPECTED, that appears when the writing is over: {rows: [{column: text}]}.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { Shape, ShapeStream } from '@electric-sql/client'
import { readExpected, settle, byId } from './common.js'

const { SHAPE_URL, TABLE, METHOD, READY } = process.env
const ROWS = Number(process.env.ROWS)
const PIECES = 10

const end = new AbortController()
const faults = []
const requests = []

const watchedFetch = async (input, options) => {
  const response = await fetch(input, options)
  const subset = response.headers.get('electric-snapshot') === 'true'
  requests.push({ method: options?.method ?? 'GET', status: response.status, subset })
  return response
}

const stream = new ShapeStream({
  url: `${SHAPE_URL}/v1/shape`,
  params: { table: TABLE },
  log: 'changes_only',
  subsetMethod: METHOD,
  fetchClient: watchedFetch,
  signal: end.signal,
  onError: (error) => {
    faults.push(`${error}`)
  },
})
const shape = new Shape(stream)

test('a changes_only shape begins without rows', async () => {
  assert.ok((await shape.rows).length < ROWS / 10) // only what was inserted meanwhile
  assert.equal(shape.mode, 'changes_only')
})

test('fetchSnapshot gives some rows, in order, and leaves the shape alone', async () => {
  const { metadata, data } = await stream.fetchSnapshot({
    where: 'id > $1 AND id <= $2',
    params: { 1: '0', 2: '50' },
    orderBy: 'id DESC NULLS LAST',
    limit: 10,
    offset: 5,
  })
  const ids = data.map(({ value }) => value.id)
  assert.equal(ids.length, 10)
  assert.deepEqual(ids, ids.toSorted?.((a, b) => b - a) ?? ids)
  assert.ok(ids.every((id) => typeof id === 'number' && id > 0 && id <= 45))
  assert.ok(BigInt(metadata.database_lsn) > 0n)
  assert.ok(BigInt(metadata.xmin) <= BigInt(metadata.xmax))
  assert.ok(data.every(({ headers }) => headers.snapshot_mark === metadata.snapshot_mark))
})

test('what is wrong with a subset is told', async () => {
  await assert.rejects(stream.fetchSnapshot({ where: 'nope = 1' }), (error) => {
    assert.equal(error.status, 400)
    assert.match(JSON.stringify(error.json), /"subset":\{"where":\["At location 0: unknown reference nope"\]/)
    return true
  })
})

test('the subsets and the changes together are the table', async () => {
  for (let piece = 0; piece < PIECES; piece++) {
    const from = Math.floor((ROWS * piece) / PIECES)
    const to = piece + 1 === PIECES ? 2 ** 31 - 1 : Math.floor((ROWS * (piece + 1)) / PIECES)
    await shape.requestSnapshot(
      piece % 2 === 0
        ? { where: 'id > $1 AND id <= $2', params: { 1: `${from}`, 2: `${to}` } }
        : { where: `id > ${from} AND id <= ${to}`, orderBy: 'id', limit: ROWS },
    )
  }
  writeFileSync(READY, '')
  const { rows } = await readExpected()
  await settle(() => assert.deepEqual(byId(shape.currentRows), byId(rows)))
  assert.deepEqual(faults, [])
  const subsets = requests.filter(({ subset }) => subset)
  assert.equal(subsets.length, PIECES + 1)
  assert.ok(subsets.every(({ method }) => method === METHOD))
  assert.deepEqual(
    requests.filter(({ status }) => status !== 200 && status !== 400),
    [],
  )
  end.abort()
  setTimeout(() => process.exit(), 500).unref()
})
