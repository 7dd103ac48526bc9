// An authorization server on loopback: oidc-provider, with rotation and with its detection of reuse, which revokes the
// whole grant. Under the paths of Google, of Slack and of any issuer that is discovered, in their shapes.
//
// It says "ready ORIGIN", and is told of its clients by POST /_test/clients: {"scopes": [], "clients": [{"id", "secret",
// "auth", "redirect_uris"}]}. From then on it prints a line of JSON for each call of the token endpoint: the witness.
// Tokens stand in these lines as digests; GET /_test/issued has all that it ever gave out. POST /_test/state changes how
// it behaves, and POST /_test/reuse sends it the first refresh token that it gave.

import { createHash, generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';

import { Provider } from 'oidc-provider';

const TEAM = 'T0FAKETEAM';
const digest = (text) => createHash('sha256').update(text).digest('hex').slice(0, 16);

// How it behaves now.
const state = {
  // Of access tokens, in seconds.
  lifetime: 3600,
  // Milliseconds before a call of the token endpoint is looked at, and after it was done.
  before: 0,
  after: 0,
  // The token endpoint answers 503.
  out: false,
  // The token endpoint does what it is asked and never says so.
  silent: false,
};
const issued = new Set();
// The refresh tokens among them, in their order.
const given = [];

// Where the providers have what an issuer has at fixed paths.
const PATHS = {
  '/o/oauth2/v2/auth': '/auth',
  '/oauth2/v3/certs': '/jwks',
  '/v1/userinfo': '/me',
  '/oauth/v2/authorize': '/auth',
  '/api/oauth.v2.access': '/token',
  '/openid/connect/authorize': '/auth',
  '/openid/connect/keys': '/jwks',
  '/api/openid.connect.token': '/token',
};

function client({ id, secret, auth, redirect_uris }) {
  return {
    client_id: id,
    client_secret: secret,
    token_endpoint_auth_method: auth,
    redirect_uris,
    application_type: 'native',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
  };
}

function account(ctx, id) {
  const claims = {
    sub: id,
    email: `${id}@example.test`,
    email_verified: true,
    name: `${id[0].toUpperCase()}${id.slice(1)}`,
    hd: 'example.test',
    groups: ['console'],
    'https://slack.com/team_id': TEAM,
  };
  return { accountId: id, claims: () => claims };
}

function provider(origin, config) {
  const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
  const cookieKey = digest(`${Math.random()}`);
  const made = new Provider(origin, {
    clients: config.clients.map(client),
    findAccount: account,
    jwks: { keys: [{ ...key, kid: 'k1', use: 'sig', alg: 'RS256' }] },
    scopes: ['openid', 'offline_access', 'email', 'profile', 'groups', ...(config.scopes ?? [])],
    claims: {
      openid: ['sub'],
      email: ['email', 'email_verified'],
      'https://www.googleapis.com/auth/userinfo.email': ['email', 'email_verified'],
      profile: ['name', 'hd', 'https://slack.com/team_id'],
      groups: ['groups'],
    },
    // As the providers do: what was asked for stands in the id token, and a refresh token comes without being asked for.
    conformIdTokenClaims: false,
    issueRefreshToken: async () => true,
    rotateRefreshToken: true,
    pkce: { required: () => true },
    cookies: { keys: [cookieKey] },
    ttl: {
      AccessToken: () => state.lifetime,
      AuthorizationCode: 60,
      Grant: 86400,
      IdToken: 3600,
      Interaction: 3600,
      RefreshToken: 86400,
      Session: 86400,
    },
    features: { devInteractions: { enabled: true }, userinfo: { enabled: true } },
  });
  // What it said wrong of itself would be this program's mistake; what clients did wrong is in the witness.
  made.on('server_error', (ctx, error) => console.error(`server_error: ${error.stack}`));
  made.on('grant.error', (ctx, error) => {
    ctx.req.detail = error.error_detail;
  });
  made.use(witness);
  return made;
}

const sleep = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

async function witness(ctx, next) {
  if (ctx.path !== '/token') return next();
  await sleep(state.before);
  if (state.out) {
    say({ grant: null, status: 503 });
    ctx.status = 503;
    ctx.body = { error: 'temporarily_unavailable' };
    return;
  }
  await next();
  const params = ctx.oidc?.params ?? {};
  const { access_token, refresh_token, id_token } = ctx.body ?? {};
  for (const token of [access_token, refresh_token, id_token]) if (token) issued.add(token);
  if (refresh_token) given.push(refresh_token);
  say({
    grant: params.grant_type ?? null,
    sent: params.refresh_token ? digest(params.refresh_token) : null,
    gave: refresh_token ? digest(refresh_token) : null,
    status: ctx.status,
    error: ctx.req.detail ?? ctx.body?.error ?? null,
  });
  shape(ctx, params);
  if (state.silent) await new Promise(() => {});
  await sleep(state.after);
}

// Slack's answers have shapes of their own, and its refusals the status of a success.
function shape(ctx, params) {
  const from = ctx.req.posed;
  if (from === '/api/openid.connect.token') {
    ctx.body = ctx.status === 200 ? { ok: true, ...ctx.body } : { ok: false, error: ctx.body.error };
    ctx.status = 200;
  }
  if (from !== '/api/oauth.v2.access') return;
  if (ctx.status !== 200) {
    ctx.body = { ok: false, error: ctx.body.error };
    ctx.status = 200;
    return;
  }
  const { access_token, refresh_token, expires_in, scope } = ctx.body;
  const tokens = { access_token, refresh_token, expires_in, token_type: 'user' };
  const team = { id: TEAM };
  const user = { id: ctx.oidc.entities.Account.accountId, scope: (scope ?? '').replaceAll(' ', ','), ...tokens };
  ctx.body = params.grant_type === 'refresh_token' ? { ok: true, team, ...tokens } : { ok: true, team, authed_user: user };
}

const say = (line) => console.log(JSON.stringify(line));

const json = (response, status, body) => {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
};

async function read(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString();
}

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const origin = `http://127.0.0.1:${server.address().port}`;
  let made;
  let clients;
  let handle = (request, response) => json(response, 503, { error: 'no clients yet' });
  server.on('request', async (request, response) => {
    const url = new URL(request.url, origin);
    request.posed = url.pathname;
    if (url.pathname === '/_test/issued') return json(response, 200, [...issued]);
    if (url.pathname === '/_test/reuse') {
      const { id: client_id, secret: client_secret } = clients[0];
      const form = { grant_type: 'refresh_token', refresh_token: given[0], client_id, client_secret };
      const answer = await fetch(`${origin}/token`, { method: 'POST', body: new URLSearchParams(form) });
      return json(response, 200, { status: answer.status });
    }
    if (url.pathname === '/_test/clients') {
      const config = JSON.parse(await read(request));
      ({ clients } = config);
      made = provider(origin, config);
      handle = made.callback();
      return json(response, 200, {});
    }
    if (url.pathname === '/_test/state') {
      Object.assign(state, JSON.parse(await read(request)));
      return json(response, 200, state);
    }
    if (url.pathname === '/api/auth.test' || url.pathname === '/api/users.info') {
      const token = await made.AccessToken.find((request.headers.authorization ?? '').replace('Bearer ', ''));
      if (!token) return json(response, 200, { ok: false, error: 'invalid_auth' });
      const { accountId: id } = token;
      const name = account(null, id).claims().name;
      const user = { id, real_name: name, profile: { real_name: name, email: `${id}@example.test` } };
      const who = { ok: true, user_id: id, user: id, team_id: TEAM };
      return json(response, 200, url.pathname === '/api/auth.test' ? who : { ok: true, user });
    }
    const scopes = url.searchParams.get('user_scope');
    if (scopes) {
      url.searchParams.delete('user_scope');
      url.searchParams.set('scope', scopes.replaceAll(',', ' '));
    }
    url.pathname = PATHS[url.pathname] ?? url.pathname;
    request.url = url.pathname + url.search;
    return handle(request, response);
  });
  console.log(`ready ${origin}`);
});

// It ends with whoever started it.
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
