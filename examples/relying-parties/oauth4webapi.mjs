// A relying party with oauth4webapi, as its documentation has it.

import * as oauth from 'oauth4webapi'
import { clientID, clientSecret, issuer, person, postLogoutRedirectURI, redirectURI, refused, rotated, rotationMinutes } from './settings.mjs'

const issuerURL = new URL(issuer)
const as = await oauth.processDiscoveryResponse(issuerURL, await oauth.discoveryRequest(issuerURL))
const client = { client_id: clientID }
const authentication = oauth.ClientSecretBasic(clientSecret)

const verifier = oauth.generateRandomCodeVerifier()
const state = oauth.generateRandomState()
const nonce = oauth.generateRandomNonce()
const authorization = new URL(as.authorization_endpoint)
authorization.search = new URLSearchParams({
  client_id: clientID,
  redirect_uri: redirectURI,
  response_type: 'code',
  scope: 'openid profile email',
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
  state,
  nonce,
})
const back = await person.signIn(authorization)
const parameters = oauth.validateAuthResponse(as, client, back, state) // iss too
const redeem = async () => {
  const response = await oauth.authorizationCodeGrantRequest(as, client, authentication, parameters, redirectURI, verifier)
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, response, { expectedNonce: nonce, requireIdToken: true })
  await oauth.validateApplicationLevelSignature(as, response) // by the published keys
  return tokens
}
let tokens = await redeem()
const { sub } = oauth.getValidatedIdTokenClaims(tokens)
console.log('login:', sub)

const userinfo = async () => oauth.processUserInfoResponse(as, client, sub, await oauth.userInfoRequest(as, client, tokens.access_token))
const info = await userinfo()
console.log('userinfo:', info.preferred_username, info.name, info.email)

const refresh = async ({ refresh_token }) => {
  const response = await oauth.refreshTokenGrantRequest(as, client, authentication, refresh_token)
  const next = await oauth.processRefreshTokenResponse(as, client, response)
  await oauth.validateApplicationLevelSignature(as, response)
  return next
}
tokens = await refresh(tokens)
console.log('refresh:', oauth.getValidatedIdTokenClaims(tokens).sub)

if (rotationMinutes) {
  tokens = await rotated(tokens, refresh)
  await userinfo()
}

const end = new URL(as.end_session_endpoint)
end.search = new URLSearchParams({ id_token_hint: tokens.id_token, post_logout_redirect_uri: postLogoutRedirectURI, state })
const led = await person.visit(end)
console.log('logout: led to', led.href === `${postLogoutRedirectURI}?state=${state}` ? postLogoutRedirectURI : led.href)
await refused('userinfo after logout', userinfo())
await refused('code again', redeem())
