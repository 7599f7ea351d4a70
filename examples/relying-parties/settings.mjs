// What both programs are given, by the environment.

import { Person } from './person.mjs'

const given = (name) => process.env[name] ?? fail(`set ${name}: see README.md`)

const fail = (message) => {
  console.error(message)
  process.exit(2)
}

export const issuer = given('ISSUER')
export const clientID = given('CLIENT_ID')
export const clientSecret = given('CLIENT_SECRET')
export const redirectURI = given('REDIRECT_URI')
export const postLogoutRedirectURI = given('POST_LOGOUT_REDIRECT_URI')
export const person = new Person(issuer, given('LOGIN'), given('PASSWORD'))

// How long to go on refreshing until the provider signs with another key.
export const rotationMinutes = Number(process.env.ROTATION_MINUTES ?? 0)

export const keyOf = (idToken) => JSON.parse(Buffer.from(idToken.split('.')[0], 'base64url')).kid

// rotated refreshes every ten seconds until the key of the ID token is another.
export async function rotated(tokens, refresh) {
  const first = keyOf(tokens.id_token)
  const end = Date.now() + rotationMinutes * 60_000
  for (let n = 1; Date.now() < end; n++) {
    await new Promise((wake) => setTimeout(wake, 10_000))
    tokens = await refresh(tokens)
    if (keyOf(tokens.id_token) !== first) {
      console.log(`rotation: after ${n} refreshes signed by ${keyOf(tokens.id_token)}, before by ${first}`)
      return tokens
    }
  }
  throw new Error(`still signed by ${first} after ${rotationMinutes} minutes`)
}

// refused expects a promise to fail, and says how.
export async function refused(what, promise) {
  try {
    await promise
  } catch (error) {
    console.log(`${what}: refused, ${error.error ?? error.message}`)
    return
  }
  throw new Error(`${what}: still accepted`)
}
