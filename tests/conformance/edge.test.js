// @electric-sql/client behind a cache that still has a shape which is no more: who comes new and who
// was there end as the table. Env: SHAPE_URL, TABLE, EXPECTED, READY.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { Shape, ShapeStream } from '@electric-sql/client'
import { readExpected, settle, byId } from './common.js'

const { SHAPE_URL, TABLE, READY } = process.env
const end = new AbortController()

function follow() {
  const seen = { errors: [], statuses: [], caches: [] }
  const stream = new ShapeStream({
    url: `${SHAPE_URL}/v1/shape`,
    params: { table: TABLE },
    signal: end.signal,
    onError: (error) => {
      seen.errors.push(error)
    },
    fetchClient: async (...args) => {
      const response = await fetch(...args)
      seen.statuses.push(response.status)
      seen.caches.push(response.headers.get('x-cache'))
      return response
    },
  })
  return { ...seen, stream, shape: new Shape(stream) }
}

const old = follow()

test('the cache has the shape', async () => {
  await old.shape.rows
  writeFileSync(READY, old.stream.shapeHandle)
})

test('who was there goes on with the next shape', async () => {
  const { rows } = await readExpected()
  await settle(() => assert.deepEqual(byId(old.shape.currentRows), byId(rows)))
  assert.deepEqual(old.errors, [])
})

test('who comes new is given the old one by the cache, and gets over it', async () => {
  const { rows } = await readExpected()
  const late = follow()
  await settle(() => assert.deepEqual(byId(late.shape.currentRows), byId(rows)))
  assert.deepEqual(late.errors, [])
  assert.ok(late.caches.includes('HIT') || late.caches.includes('STALE'), 'the cache was asked')
  assert.ok(late.statuses.filter((status) => status === 409).length <= 2, String(late.statuses))
  assert.ok(late.statuses.length < 15, 'no loop')
  end.abort()
  setTimeout(() => process.exit(), 500).unref()
})
