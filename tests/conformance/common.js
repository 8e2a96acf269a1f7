// What the tests of several clients share.
import assert from 'node:assert/strict'
import { File } from 'node:buffer'
import { webcrypto } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

// Node 18 has them, but not where browsers and later ones do.
globalThis.crypto ??= webcrypto
globalThis.File ??= File

// The file EXPECTED, which appears when Postgres is written to no more.
export async function readExpected() {
  for (;;) {
    try {
      return JSON.parse(await readFile(process.env.EXPECTED, 'utf8'))
    } catch (error) {
      if (error.code !== 'ENOENT') throw error
      await sleep(100)
    }
  }
}

// Until `check` no longer throws; then what it threw.
export async function settle(check, seconds = 30) {
  const end = Date.now() + seconds * 1000
  for (;;) {
    try {
      return await check()
    } catch (error) {
      if (Date.now() > end) throw error
      await sleep(50)
    }
  }
}

const text = (value) => (value === null || value === undefined ? null : String(value))

// Rows of any client as texts, in the order of their ids, comparable with Postgres'.
export function byId(rows) {
  const plain = [...rows].map((row) =>
    Object.fromEntries(
      Object.keys(row)
        .filter((column) => !column.startsWith('$'))
        .sort()
        .map((column) => [column, text(row[column])]),
    ),
  )
  const ids = new Set(plain.map(({ id }) => id))
  assert.equal(ids.size, plain.length, 'no row twice')
  return plain.sort((a, b) => Number(a.id) - Number(b.id))
}
