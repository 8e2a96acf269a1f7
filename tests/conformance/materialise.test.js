// @electric-sql/client follows shapes while pgbench writes; at the end its rows are Postgres'.
//
// test_clients.py starts all of this. It gives SHAPE_URL, TABLES, the path of a file, READY, that
// is made here after the first syncs, and the path of one, EXPECTED, that appears when the writing
// is over: {table: {key: [...], rows: [{column: text}], xids: [...]}}.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Shape, ShapeStream, isChangeMessage, isControlMessage } from '@electric-sql/client'

const { SHAPE_URL, EXPECTED, READY } = process.env
const TABLES = process.env.TABLES.split(',')

// What the messages of one shape were, and what may not be among them.
class Watch {
  keys = new Set()
  faults = []
  statuses = new Map()
  handles = new Set()
  snapshotRows = 0
  changes = 0
  snapshotEnds = []

  fetch = async (...args) => {
    const response = await fetch(...args)
    this.statuses.set(response.status, (this.statuses.get(response.status) ?? 0) + 1)
    const handle = response.headers.get('electric-handle')
    if (handle) this.handles.add(handle)
    return response
  }

  see = (messages) => {
    for (const message of messages) {
      if (isControlMessage(message)) this.#control(message.headers)
      else if (isChangeMessage(message)) this.#change(message)
    }
  }

  #control(headers) {
    if (headers.control === 'snapshot-end') this.snapshotEnds.push(headers)
    if (headers.control === 'must-refetch') this.faults.push('must-refetch')
  }

  #change({ key, headers }) {
    if (headers.lsn === undefined) this.snapshotRows++
    else this.changes++
    const there = this.keys.has(key)
    if (headers.operation === 'insert' && there) this.faults.push(`${key} inserted twice`)
    if (headers.operation !== 'insert' && !there) this.faults.push(`${headers.operation} of ${key}`)
    if (headers.operation === 'delete') this.keys.delete(key)
    else this.keys.add(key)
  }
}

// Whether the snapshot that these marks describe shows a transaction.
function visible(xid, { xmin, xmax, xip_list: running }) {
  const id = BigInt(xid)
  if (id < BigInt(xmin)) return true
  return id < BigInt(xmax) && !running.some((other) => BigInt(other) === id)
}

const text = (value) => (value === null || value === undefined ? null : String(value))

function difference(shape, { key, rows }) {
  const have = new Map()
  for (const row of shape.currentRows) {
    have.set(key.map((column) => text(row[column])).join('|'), row)
  }
  if (have.size !== rows.length) return `${have.size} rows instead of ${rows.length}`
  for (const row of rows) {
    const own = have.get(key.map((column) => row[column]).join('|'))
    if (!own) return `no row ${JSON.stringify(row)}`
    for (const column of Object.keys(row)) {
      if (text(own[column]) !== row[column]) {
        return `${column} is ${text(own[column])} instead of ${JSON.stringify(row)}`
      }
    }
  }
  return ''
}

async function readExpected() {
  for (;;) {
    try {
      return JSON.parse(await readFile(EXPECTED, 'utf8'))
    } catch (error) {
      if (error.code !== 'ENOENT') throw error
      await sleep(100)
    }
  }
}

const end = new AbortController()

const followed = TABLES.map((table) => {
  const watch = new Watch()
  const stream = new ShapeStream({
    url: `${SHAPE_URL}/v1/shape`,
    params: { table },
    fetchClient: watch.fetch,
    signal: end.signal,
    onError: (error) => {
      watch.faults.push(`error: ${error}`)
    },
  })
  stream.subscribe(watch.see)
  const shape = new Shape(stream)
  return { table, watch, shape }
})

const ready = Promise.all(followed.map(({ shape }) => shape.rows)).then(() =>
  writeFileSync(READY, ''),
)
const expected = ready.then(readExpected)

for (const { table, watch, shape } of followed) {
  test(`${table} is the same as in Postgres`, async () => {
    const want = (await expected)[table]
    let problem = ''
    for (let tries = 0; tries < 300; tries++) {
      problem = difference(shape, want)
      if (!problem) break
      await sleep(100)
    }
    assert.equal(problem, '')
    assert.deepEqual(watch.faults, [])
    assert.equal(watch.statuses.get(409), undefined, 'no 409')
    assert.equal(watch.handles.size, 1, 'one handle')
    assert.equal(watch.snapshotEnds.length, 1, 'one snapshot')
    const changes = want.xids.filter((xid) => !visible(xid, watch.snapshotEnds[0])).length
    assert.equal(watch.changes, changes, 'change items are row changes')
    assert.equal(shape.handle, [...watch.handles][0])
  })
}

test('the streams end when they are told to', async () => {
  await expected
  end.abort()
  // The connections that the client keeps open would keep this process for a minute.
  setTimeout(() => process.exit(), 500).unref()
})
