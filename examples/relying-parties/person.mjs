// The person at the browser: keeps cookies, fills in the sign-in form, and
// stops where a redirect leaves the identity provider.

export class Person {
  #cookies = new Map()
  #issuer

  constructor(issuer, username, password) {
    this.#issuer = new URL(issuer)
    this.username = username
    this.password = password
  }

  // signIn goes to a URL of the identity provider and returns the URL of the
  // application to which that leads.
  async signIn(url) {
    let answer = await this.#go(url)
    if (answer.page) answer = await this.#submit(answer)
    if (!answer.left) throw new Error(`still at ${answer.url}: ${title(answer.page)}`)
    return answer.left
  }

  // visit goes to a URL of the identity provider that needs no password, and
  // returns where it led.
  async visit(url) {
    const answer = await this.#go(url)
    return answer.left ?? answer.url
  }

  async #submit({ url, page }) {
    const form = page.match(/<form[^>]*action="([^"]*)"[\s\S]*?<\/form>/)
    if (!form?.[0].includes('name="password"')) throw new Error(`no sign-in form at ${url}: ${title(page)}`)
    const fields = new URLSearchParams()
    for (const [input] of form[0].matchAll(/<input[^>]*>/g)) {
      const name = attribute(input, 'name')
      if (name && attribute(input, 'type') !== 'checkbox') fields.set(name, attribute(input, 'value') ?? '')
    }
    fields.set('username', this.username)
    fields.set('password', this.password)
    return this.#go(new URL(plain(form[1]), url), { method: 'POST', body: fields, headers: { Origin: this.#issuer.origin } })
  }

  async #go(url, init = {}) {
    for (let hops = 0; hops < 10; hops++) {
      url = new URL(url)
      if (url.origin !== this.#issuer.origin) return { left: url }
      const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ')
      const response = await fetch(url, { ...init, redirect: 'manual', headers: { ...init.headers, cookie } })
      for (const line of response.headers.getSetCookie()) {
        const [, name, value] = line.match(/^([^=]+)=([^;]*)/)
        this.#cookies.set(name, value)
      }
      const location = response.headers.get('location')
      if (!location) return { url, page: await response.text() }
      url = new URL(location, url)
      init = {}
    }
    throw new Error('redirected ten times')
  }
}

const attribute = (tag, name) => {
  const found = tag.match(new RegExp(`\\b${name}="([^"]*)"`))
  return found && plain(found[1])
}

const plain = (html) => html.replace(/&#34;|&quot;/g, '"').replace(/&#39;/g, "'").replace(/&#43;/g, '+').replace(/&lt;/g, '<').replace(/&gt;/g, '>').replace(/&amp;/g, '&')

const title = (page) => page.match(/<title>([^<]*)/)?.[1].trim()
