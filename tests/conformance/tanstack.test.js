// @tanstack/electric-db-collection: optimistic mutations that are matched by their txid, while others
// write too, in its three modes; its rows end as Postgres'. Started like subsets.test.js, and with
// WRITE_URL: POST {operation, row} writes and answers {txid}.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { createCollection, createLiveQueryCollection, and, gt, inArray, lte } from '@tanstack/db'
import { electricCollectionOptions } from '@tanstack/electric-db-collection'
import { readExpected, settle, byId } from './common.js'

const { SHAPE_URL, WRITE_URL, TABLE, READY } = process.env
const ROWS = Number(process.env.ROWS)
const end = new AbortController()
const faults = []
const asked = { GET: 0, POST: 0 } // subsets

const watchedFetch = async (input, options) => {
  const response = await fetch(input, options)
  if (response.headers.get('electric-snapshot') === 'true') asked[options?.method ?? 'GET']++
  if (response.status !== 200) faults.push(`${response.status} of ${input}`)
  return response
}

async function write(operation, row) {
  const response = await fetch(WRITE_URL, {
    method: 'POST',
    body: JSON.stringify({ operation, row }),
  })
  assert.equal(response.status, 200)
  const { txid } = await response.json()
  assert.ok(Number.isInteger(txid) && txid > 0 && txid < 2 ** 32)
  return { txid, timeout: 15000 }
}

const changed = ({ transaction }) => transaction.mutations[0]

const collect = (syncMode, shapeOptions) =>
  createCollection(
    electricCollectionOptions({
      id: `${TABLE} ${syncMode}`,
      syncMode,
      getKey: ({ id }) => id,
      shapeOptions: {
        url: `${SHAPE_URL}/v1/shape`,
        params: { table: TABLE },
        fetchClient: watchedFetch,
        signal: end.signal,
        ...shapeOptions,
      },
      onInsert: (mutation) => write('insert', changed(mutation).modified),
      onUpdate: (mutation) => write('update', changed(mutation).modified),
      onDelete: (mutation) => write('delete', changed(mutation).original),
    }),
  )

const eager = collect('eager')
const onDemand = collect('on-demand', { subsetMethod: 'POST' })
const progressive = collect('progressive')

const pick = ({ id, n, v }) => ({ id, n, v })
const rowOf = (collection, id) => {
  const row = collection.get(id)
  return row && pick(row)
}

for (const [collection, first] of [
  [eager, 100001],
  [onDemand, 200001],
  [progressive, 300001],
]) {
  test(`${collection.id}: a mutation shows at once, and stays when its txid came`, async () => {
    await collection.preload()
    const row = { id: first, n: 1, v: "it's \\ mine" }
    const inserted = collection.insert(row)
    assert.deepEqual(rowOf(collection, first), row)
    await inserted.isPersisted.promise
    assert.deepEqual(rowOf(collection, first), row)

    const updated = collection.update(first, (draft) => {
      draft.v = null
      draft.n = -7
    })
    assert.deepEqual(rowOf(collection, first), { id: first, n: -7, v: null })
    await updated.isPersisted.promise
    assert.deepEqual(rowOf(collection, first), { id: first, n: -7, v: null })

    await collection.insert({ ...row, id: first + 1 }).isPersisted.promise
    await collection.delete(first + 1).isPersisted.promise
    assert.equal(collection.get(first + 1), undefined)
  })
}

test('many mutations at a time find each its own txid', async () => {
  const transactions = []
  for (let id = 400000; id < 400040; id++) {
    transactions.push(eager.insert({ id, n: id % 7, v: `${id}` }))
  }
  await Promise.all(transactions.map(({ isPersisted }) => isPersisted.promise))
  assert.equal(eager.get(400039).v, '400039')
})

// A part of the table by a query: the collection asks for it as a subset.
const query = (name, build) => createLiveQueryCollection({ id: name, query: build })

const low = query('low', (q) =>
  q
    .from({ row: onDemand })
    .where(({ row }) => and(gt(row.id, 10), lte(row.id, ROWS / 2)))
    .select(({ row }) => ({ id: row.id, n: row.n, v: row.v })),
)
const listed = query('listed', (q) =>
  q
    .from({ row: onDemand })
    .where(({ row }) => inArray(row.id, [1, 2, 3, ROWS + 7, 400001]))
    .select(({ row }) => ({ id: row.id, n: row.n, v: row.v })),
)
const last = query('last', (q) =>
  q
    .from({ row: onDemand })
    .orderBy(({ row }) => row.id, 'desc')
    .limit(20)
    .select(({ row }) => ({ id: row.id, n: row.n, v: row.v })),
)

test('a query loads what it needs by subsets', async () => {
  await Promise.all([low.preload(), listed.preload(), last.preload()])
  assert.ok(low.size > 0 && last.size === 20)
  assert.ok(asked.POST >= 3)
  writeFileSync(READY, '')
})

test('all of them end as the table', async () => {
  const want = byId((await readExpected()).rows)
  const among = (keep) => want.filter(({ id }) => keep(Number(id)))
  const rows = (collection) => byId(collection.toArray.map(pick))
  await settle(() => {
    assert.deepEqual(rows(eager), want)
    assert.deepEqual(rows(progressive), want)
    assert.deepEqual(
      rows(low),
      among((id) => id > 10 && id <= ROWS / 2),
    )
    assert.deepEqual(
      rows(listed),
      among((id) => [1, 2, 3, ROWS + 7, 400001].includes(id)),
    )
    assert.deepEqual(rows(last), want.slice(-20))
  })
  assert.deepEqual(faults, [])
  end.abort()
  setTimeout(() => process.exit(), 500).unref()
})
