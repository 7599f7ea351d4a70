package demo

// greeting is what the command prints; {url} is where it listens.
const greeting = `
Loge, demonstration. Everything is in this process; nothing is kept, nothing leaves this machine.

  Portal (signs in by OpenID Connect)   {url}/demo/portal/
  Library (signs in by CAS)             {url}/demo/app/
  Mails and text messages               {url}/demo/box
  Own page of the identity provider     {url}/login

  Accounts
    elefevre       Valmont-elefevre-2026     a student
    kaitouaret     Valmont-kaitouaret-2026   has left, in grace until the date that is shown
    lea.dalmeida   Ent-lea.dalmeida-2026     a pupil of the school network
    u.assist       Valmont-u.assist-2026     the help desk: {url}/desk
    nadia.adml     Ent-nadia.adml-2026       the local administrator of a school, at the same place

  To try
    1. Sign in at the portal, go on to the library: nothing to type. Sign out: both have ended.
    2. "Mot de passe oublié" for elefevre: the mail is in the box, with a link and a code. fndiaye has a phone only.
    3. "Première connexion" for hnguyen: she was never activated, accepts the charter and chooses her first password.
    4. At the desk, as u.assist: imichel has no address and gets a code; cbernard was locked after phishing.
    5. tmoreau, with Valmont-tmoreau-2026: the right password, of a locked account.

  Your own tools
    OpenID Connect   issuer {url}
                     client demo-client, secret demo-client-secret, redirect http://127.0.0.1:9/callback
                     public client demo-native, redirect http://127.0.0.1:<any port>/callback (PKCE)
    CAS              {url}/cas, any service on 127.0.0.1, for instance http://127.0.0.1:9/app
                     rule by rule: loge conformance cas --target {url}/cas \
                       --username elefevre --password Valmont-elefevre-2026
    LDAP             ldapsearch -x -H {ldap} -D cn=idp-rw,ou=services,dc=univ-valmont,dc=example \
                       -w {password} -b dc=univ-valmont,dc=example uid=elefevre

Ctrl-C ends it.

`
