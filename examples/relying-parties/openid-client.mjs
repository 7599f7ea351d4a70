// A relying party with openid-client, as its documentation has it.

import * as client from 'openid-client'
import { clientID, clientSecret, issuer, person, postLogoutRedirectURI, redirectURI, refused, rotated, rotationMinutes } from './settings.mjs'

const config = await client.discovery(new URL(issuer), clientID, clientSecret)
client.enableNonRepudiationChecks(config) // verify ID tokens by the published keys

const pkceCodeVerifier = client.randomPKCECodeVerifier()
const expectedState = client.randomState()
const expectedNonce = client.randomNonce()
const back = await person.signIn(client.buildAuthorizationUrl(config, {
  redirect_uri: redirectURI,
  scope: 'openid profile email',
  code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
  code_challenge_method: 'S256',
  state: expectedState,
  nonce: expectedNonce,
}))
let tokens = await client.authorizationCodeGrant(config, back, { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true })
const { sub } = tokens.claims()
console.log('login:', sub)

const info = await client.fetchUserInfo(config, tokens.access_token, sub)
console.log('userinfo:', info.preferred_username, info.name, info.email)

const refresh = ({ refresh_token }) => client.refreshTokenGrant(config, refresh_token)
tokens = await refresh(tokens)
console.log('refresh:', tokens.claims().sub)

if (rotationMinutes) {
  tokens = await rotated(tokens, refresh)
  await client.fetchUserInfo(config, tokens.access_token, sub)
}

const led = await person.visit(client.buildEndSessionUrl(config, { id_token_hint: tokens.id_token, post_logout_redirect_uri: postLogoutRedirectURI, state: expectedState }))
console.log('logout: led to', led.href === `${postLogoutRedirectURI}?state=${expectedState}` ? postLogoutRedirectURI : led.href)
await refused('userinfo after logout', client.fetchUserInfo(config, tokens.access_token, sub))
await refused('code again', client.authorizationCodeGrant(config, back, { pkceCodeVerifier, expectedState, expectedNonce }))
