package demo

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/loge-idp/loge/pkg/secret"
)

// Apps are two small applications that sign people in: a portal by OpenID
// Connect and a library by CAS. They share nothing with the server but its
// public URL, nothing with each other, and keep sessions of their own.
type Apps struct {
	// Issuer is the public URL of the server.
	Issuer string
	// URL is where the applications are, without a slash at its end; they are
	// under /demo/portal/ and /demo/app/ there.
	URL string
	// Secret is the client_secret of the portal, whose client_id is portalID.
	Secret secret.String
	// Box is the URL of the page where messages can be read.
	Box string
}

// portalID is the client_id of the portal.
const portalID = "demo-portal"

// Where the portal can be reached by the server, to be registered there.

// RedirectURI takes the code.
func (a Apps) RedirectURI() string { return a.URL + portalPath + "callback" }

// LogoutURI is told of the end of sessions.
func (a Apps) LogoutURI() string { return a.URL + portalPath + "backchannel" }

// HomeURI is where people come back to after signing out.
func (a Apps) HomeURI() string { return a.URL + portalPath }

// ServicePrefix covers the service URL of the CAS application.
func (a Apps) ServicePrefix() string { return a.URL + strings.TrimSuffix(appPath, "/") }

const (
	portalPath = "/demo/portal/"
	appPath    = "/demo/app/"
)

// Mine reports whether a path belongs to the applications.
func (Apps) Mine(path string) bool {
	return strings.HasPrefix(path, portalPath) || strings.HasPrefix(path, appPath)
}

// Handler serves both applications.
func (a Apps) Handler() http.Handler {
	mux := http.NewServeMux()
	client := &http.Client{Timeout: 10 * time.Second}
	(&portal{apps: a, client: client, visitors: visitors{cookie: "demo-portal", path: portalPath}}).routes(mux)
	(&casApp{apps: a, client: client, visitors: visitors{cookie: "demo-app", path: appPath}}).routes(mux)
	return mux
}

// visitor is somebody signed in to one application.
type visitor struct {
	Name  string
	Facts []fact // what the server told
	// end is by what the server will name this sign-in when it ends.
	end     string
	idToken string // portal only
	since   time.Time
}

type fact struct{ Name, Value string }

// visitors are the sessions of one application: it has its own cookie, below
// its own path.
type visitors struct {
	cookie, path string

	mu  sync.Mutex
	all map[string]visitor
}

// visitLife is how long a visit lasts without the server ending it.
const visitLife = time.Hour

func (v *visitors) of(r *http.Request) (visitor, bool) {
	cookie, err := r.Cookie(v.cookie)
	if err != nil {
		return visitor{}, false
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	found, ok := v.all[cookie.Value]
	return found, ok && time.Since(found.since) < visitLife
}

func (v *visitors) enter(w http.ResponseWriter, who visitor) {
	id := secret.Random(22)
	who.since = time.Now()
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.all == nil {
		v.all = map[string]visitor{}
	}
	for old, each := range v.all {
		if time.Since(each.since) > visitLife {
			delete(v.all, old)
		}
	}
	v.all[id] = who
	v.set(w, v.cookie, id, v.path, 0)
}

// leave ends the visit of one browser.
func (v *visitors) leave(w http.ResponseWriter, r *http.Request) {
	if cookie, err := r.Cookie(v.cookie); err == nil {
		v.mu.Lock()
		defer v.mu.Unlock()
		delete(v.all, cookie.Value)
	}
	v.set(w, v.cookie, "", v.path, -1)
}

// ended ends the visit that the server names.
func (v *visitors) ended(end string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for id, each := range v.all {
		if end != "" && each.end == end {
			delete(v.all, id)
		}
	}
}

func (*visitors) set(w http.ResponseWriter, name, value, path string, age int) {
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: path, MaxAge: age, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}
