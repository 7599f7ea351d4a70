package cas_test

import (
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/sso"
	"github.com/loge-idp/loge/providers/cas"
)

var endpoints = []string{"validate", "serviceValidate", "p3/serviceValidate", "proxyValidate", "p3/proxyValidate"}

// validation is an answer as a service reads it.
type validation struct {
	status     int
	header     http.Header
	body       string
	user, code string
	iou        string // cas:proxyGrantingTicket
	proxies    []string
	attributes map[string][]string
	order      []string // of the attributes
}

type serviceResponse struct {
	XMLName xml.Name `xml:"http://www.yale.edu/tp/cas serviceResponse"`
	Success *struct {
		User       []string `xml:"http://www.yale.edu/tp/cas user"`
		Attributes struct {
			All []struct {
				XMLName xml.Name
				Value   string `xml:",chardata"`
			} `xml:",any"`
		} `xml:"http://www.yale.edu/tp/cas attributes"`
		IOU     []string `xml:"http://www.yale.edu/tp/cas proxyGrantingTicket"`
		Proxies []struct {
			All []string `xml:"http://www.yale.edu/tp/cas proxy"`
		} `xml:"http://www.yale.edu/tp/cas proxies"`
	} `xml:"http://www.yale.edu/tp/cas authenticationSuccess"`
	Failure *struct {
		Code string `xml:"code,attr"`
		Text string `xml:",chardata"`
	} `xml:"http://www.yale.edu/tp/cas authenticationFailure"`
}

func (h *house) validate(endpoint string, query ...string) validation {
	h.t.Helper()
	return h.validateRaw(endpoint, encode(query))
}

func (h *house) validateRaw(endpoint, query string) validation {
	h.t.Helper()
	resp, err := http.Get(h.url + "/cas/" + endpoint + query)
	if err != nil {
		h.t.Error(err)
		return validation{}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Error(err)
	}
	v := validation{status: resp.StatusCode, header: resp.Header, body: string(body)}
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/xml") {
		return v
	}
	v.read(h.t)
	return v
}

func (v *validation) read(t testing.TB) {
	t.Helper()
	var read serviceResponse
	if err := xml.Unmarshal([]byte(v.body), &read); err != nil {
		t.Fatalf("not well-formed: %v\n%.300s", err, v.body)
	}
	switch {
	case (read.Success == nil) == (read.Failure == nil):
		t.Fatalf("X1: not exactly one of success and failure: %.300s", v.body)
	case read.Failure != nil:
		v.code = read.Failure.Code
	default:
		if len(read.Success.User) != 1 {
			t.Fatalf("%d users: %.300s", len(read.Success.User), v.body)
		}
		v.user, v.attributes = read.Success.User[0], map[string][]string{}
		if len(read.Success.IOU) == 1 {
			v.iou = read.Success.IOU[0]
		}
		for _, proxies := range read.Success.Proxies {
			v.proxies = append(v.proxies, proxies.All...)
		}
		for _, a := range read.Success.Attributes.All {
			v.order = append(v.order, a.XMLName.Local)
			v.attributes[a.XMLName.Local] = append(v.attributes[a.XMLName.Local], a.Value)
		}
	}
}

// V3: what Apache's module reads, to the byte.
func TestV3(t *testing.T) {
	h := open(t)
	ticket := h.browser().ticketFor("alice", app)
	for _, want := range []string{"yes\nalice\n", "no\n\n"} {
		got := h.validate("validate", "service", app, "ticket", ticket)
		if got.status != http.StatusOK || got.body != want || got.header.Get("Content-Type") != "text/plain; charset=UTF-8" {
			t.Errorf("%d %q (%s), want %q", got.status, got.body, got.header.Get("Content-Type"), want)
		}
	}
	ticket = h.browser().ticketFor("alice", app)
	if got := h.validate("validate", "service", app, "ticket", ticket, "pgtUrl", "https://p.example/", "format", "YAML"); got.body != "yes\nalice\n" {
		t.Errorf("with parameters that it does not have: %q", got.body)
	}
	if got := h.validate("validate", "service", app); got.body != "no\n\n" {
		t.Errorf("V1: %q", got.body)
	}
}

// V8, R-CAS-01, R-CAS-10: each fault with its code, and whether the ticket
// can be used afterwards.
func TestV8(t *testing.T) {
	h := open(t)
	b := h.browser()
	b.ticketFor("alice", app)
	for _, c := range []struct {
		rule, query string // TICKET stands for a fresh one
		code        string
		survives    bool
	}{
		{"no ticket", "?service=APP", "INVALID_REQUEST", true},
		{"no service", "?ticket=TICKET", "INVALID_REQUEST", true},
		{"nothing", "", "INVALID_REQUEST", true},
		{"empty service", "?service=&ticket=TICKET", "INVALID_REQUEST", true},
		{"G2 case of names", "?Service=APP&Ticket=TICKET", "INVALID_REQUEST", true},
		{"R-CAS-10 ticket twice", "?service=APP&ticket=TICKET&ticket=TICKET", "INVALID_REQUEST", true},
		{"R-CAS-10 service twice", "?service=APP&ticket=TICKET&service=APP", "INVALID_REQUEST", true},
		{"unreadable query", "?service=APP&ticket=TICKET&a=%zz", "INVALID_REQUEST", true},
		{"V4 format", "?service=APP&ticket=TICKET&format=YAML", "INVALID_REQUEST", true},
		{"V4 format in lower case", "?service=APP&ticket=TICKET&format=json", "INVALID_REQUEST", true},
		{"unknown ticket", "?service=APP&ticket=ST-00000000000000000000000000000", "INVALID_TICKET", true},
		{"not a ticket", "?service=APP&ticket=x", "INVALID_TICKET", true},
		{"R-CAS-10 a ticket that holds parameters", "?service=APP&ticket=TICKET%26service%3Dy", "INVALID_TICKET", true},
		{"R-CAS-01 another service", "?service=APP2&ticket=TICKET", "INVALID_SERVICE", false},
		{"R-CAS-06 an unregistered service", "?service=https://evil.example/&ticket=TICKET", "INVALID_SERVICE", false},
		{"V7 renew", "?service=APP&ticket=TICKET&renew=true", "INVALID_TICKET", false},
		{"no proxies", "?service=APP&ticket=TICKET&pgtUrl=https://p.example/", "UNAUTHORIZED_SERVICE_PROXY", false},
	} {
		for _, endpoint := range endpoints[1:] {
			ticket := b.get("/cas/login", "service", app).ticket()
			query := strings.NewReplacer("TICKET", ticket, "APP", url.QueryEscape(app)).Replace(c.query)
			got := h.validateRaw(endpoint, query)
			if got.code != c.code || got.status != http.StatusOK {
				t.Errorf("%s at %s: %d %q, want 200 and %q", c.rule, endpoint, got.status, got.code, c.code)
			}
			again := h.validate(endpoint, "service", app, "ticket", ticket)
			if survives := again.code == ""; survives != c.survives {
				t.Errorf("%s at %s: the ticket survives: %v, want %v", c.rule, endpoint, survives, c.survives)
			}
			if !c.survives && again.code != "INVALID_TICKET" {
				t.Errorf("%s at %s: then %q, want INVALID_TICKET", c.rule, endpoint, again.code)
			}
		}
	}
}

// R52: spellings of one service are one, and the log shows where two part.
func TestR52(t *testing.T) {
	h := open(t)
	b := h.browser()
	b.ticketFor("alice", app)
	for _, c := range []struct {
		issued, validated string
		same              bool
	}{
		{app + "?x=1#frag", app + "?x=1", true}, // a service never sees its fragment
		{"http://LOCALHOST:80/a", "http://localhost/a", true},
		{"http://localhost", "http://localhost/", true},
		{app, app + "/", false},
		{app, app + "?", true},
		{app, app + "?x", false},
		{app, "https://127.0.0.1:9/app", false},
		{app, "http://127.0.0.1:10/app", false},
		{app, app + "\\", false},
	} {
		ticket := b.get("/cas/login", "service", c.issued).ticket()
		if got := h.validate("serviceValidate", "service", c.validated, "ticket", ticket); (got.code == "") != c.same {
			t.Errorf("%s validated as %s: %q", c.issued, c.validated, got.code)
		}
	}
	ticket := b.get("/cas/login", "service", app+"/one?ticket=old").ticket()
	h.log.Reset()
	h.validate("serviceValidate", "service", app+"/two?ticket="+ticket, "ticket", ticket)
	for _, part := range []string{"party=Try", `issued_for="` + app + `/one?ticket="`, `validated_for="` + app + `/two?ticket="`,
		"same_up_to=23", `then="one?ticket="`, `instead="two?ticket="`} {
		if !strings.Contains(h.log.String(), part) {
			t.Errorf("the log lacks %s: %s", part, h.log)
		}
	}
	if strings.Contains(h.log.String(), ticket) {
		t.Error("the log holds a ticket")
	}
}

// X1, X2, X3, X7, R53: the shape, and nothing but what is released.
func TestX2(t *testing.T) {
	h := open(t)
	for _, endpoint := range endpoints[1:] {
		ticket := h.browser().ticketFor("alice", app)
		got := h.validate(endpoint, "service", app, "ticket", ticket)
		want := "<cas:serviceResponse xmlns:cas=\"http://www.yale.edu/tp/cas\">\n" +
			"<cas:authenticationSuccess>\n<cas:user>alice</cas:user>\n<cas:attributes>\n" +
			"<cas:authenticationDate>2026-09-15T08:00:00Z</cas:authenticationDate>\n" +
			"<cas:longTermAuthenticationRequestTokenUsed>false</cas:longTermAuthenticationRequestTokenUsed>\n" +
			"<cas:isFromNewLogin>true</cas:isFromNewLogin>\n" +
			"<cas:mail>alice@univ.example</cas:mail>\n<cas:memberOf>staff</cas:memberOf>\n<cas:memberOf>it</cas:memberOf>\n" +
			"<cas:x_lang-fr>oui</cas:x_lang-fr>\n<cas:displayName>Alice Â</cas:displayName>\n" +
			"</cas:attributes>\n</cas:authenticationSuccess>\n</cas:serviceResponse>\n"
		if diff := cmp.Diff(want, got.body); diff != "" || got.header.Get("Content-Type") != "application/xml; charset=UTF-8" {
			t.Errorf("%s (%s): %s", endpoint, got.header.Get("Content-Type"), diff)
		}
	}
	b := h.browser()
	ticket := b.ticketFor("alice", "https://moodle.example/cas")
	got := h.validate("p3/serviceValidate", "service", "https://moodle.example/cas", "ticket", ticket)
	if diff := cmp.Diff([]string{"authenticationDate", "longTermAuthenticationRequestTokenUsed", "isFromNewLogin"}, got.order); diff != "" {
		t.Errorf("R53, released by default: %s", diff)
	}
	ticket = b.get("/cas/login", "service", app).ticket()
	if got := h.validate("serviceValidate", "service", app, "ticket", ticket); got.attributes["isFromNewLogin"][0] != "false" {
		t.Error("a ticket of the session says that it is from a new login")
	}
}

// V4, X5.
func TestX5(t *testing.T) {
	h := open(t)
	ticket := h.browser().ticketFor("alice", app)
	for _, want := range []string{
		`{"serviceResponse":{"authenticationSuccess":{"user":"alice","attributes":{"authenticationDate":"2026-09-15T08:00:00Z",` +
			`"displayName":"Alice Â","isFromNewLogin":true,"longTermAuthenticationRequestTokenUsed":false,"mail":"alice@univ.example",` +
			`"memberOf":["staff","it"],"x_lang-fr":"oui"}}}}`,
		`{"serviceResponse":{"authenticationFailure":{"code":"INVALID_TICKET","description":"The ticket was used before."}}}`,
	} {
		got := h.validate("serviceValidate", "service", app, "ticket", ticket, "format", "JSON")
		var read, wanted any
		if err := json.Unmarshal([]byte(got.body), &read); err != nil {
			t.Fatal(err, got.body)
		}
		if err := json.Unmarshal([]byte(want), &wanted); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wanted, read); diff != "" || got.header.Get("Content-Type") != "application/json" || got.status != http.StatusOK {
			t.Errorf("%d %s: %s", got.status, got.header.Get("Content-Type"), diff)
		}
	}
	ticket = h.browser().ticketFor("alice", app)
	if got := h.validate("serviceValidate", "service", app, "ticket", ticket, "format", "XML"); got.user != "alice" {
		t.Errorf("format=XML: %s", got.body)
	}
}

// R-CAS-11, X4.
func TestRCAS11(t *testing.T) {
	h := open(t)
	ticket := h.browser().ticketFor("hostile", app)
	got := h.validate("p3/serviceValidate", "service", app, "ticket", ticket)
	if got.user != "<host&ile>" {
		t.Errorf("user %q", got.user)
	}
	const r = "\uFFFD"
	want := strings.NewReplacer("\x00", r, "\x0b", r, "\x1b", r, "\xff", r).Replace(hostile)
	if diff := cmp.Diff([]string{want}, got.attributes["memberOf"]); diff != "" {
		t.Errorf("read back: %.300s", diff)
	}
}

// X4: whatever the directory holds, it is read back, but for what must not be
// told.
func FuzzAttribute(f *testing.F) {
	for _, seed := range []string{"x", "", hostile, "a\r\nb", "]]>", "<!--", "\ufffe\uffff\U0010ffff", "\u0085\u2028", "\xed\xa0\x80"} {
		f.Add(seed)
	}
	h := open(f)
	f.Fuzz(func(t *testing.T, value string) {
		h.t = t
		h.people.told = value
		h.clock.Advance(time.Second) // past the throttle of one address
		ticket := h.browser().ticketFor("told", app)
		got := h.validate("serviceValidate", "service", app, "ticket", ticket)
		var want strings.Builder
		for _, r := range value { // what is no UTF-8 comes as U+FFFD, byte by byte
			if r < 0x20 && r != '\t' && r != '\n' && r != '\r' || 0x7f <= r && r <= 0x9f || r == 0xfffe || r == 0xffff {
				r = 0xfffd
			}
			want.WriteRune(r)
		}
		if diff := cmp.Diff([]string{want.String()}, got.attributes["memberOf"]); diff != "" {
			t.Errorf("%.200s", diff)
		}
	})
}

// R-CAS-02: of fifty validations side by side one wins, whichever the
// endpoint.
func TestRCAS02(t *testing.T) {
	h := open(t)
	b := h.browser()
	tickets := []string{b.ticketFor("alice", app)}
	for len(tickets) < 60 {
		tickets = append(tickets, b.get("/cas/login", "service", app).ticket())
	}
	var won atomic.Int64
	for _, ticket := range tickets {
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				got := h.validate(endpoints[i%3], "service", app, "ticket", ticket)
				if got.user == "alice" || got.body == "yes\nalice\n" {
					won.Add(1)
				}
			})
		}
		all.Wait()
	}
	if won.Load() != int64(len(tickets)) {
		t.Errorf("%d successes for %d tickets", won.Load(), len(tickets))
	}
}

// X3, by service: where the attributes stand, and in which case.
func TestPlacement(t *testing.T) {
	party := sso.RelyingParty{Name: "App", Attributes: []sso.Attribute{{Name: "memberOf"}}}
	at := func(path string, change func(*cas.Service)) cas.Service {
		s := cas.Service{RelyingParty: party, Prefix: "https://app.example" + path}
		change(&s)
		return s
	}
	h := open(t,
		at("/nested", func(*cas.Service) {}),
		at("/flat", func(s *cas.Service) { s.Placement = "flat" }),
		at("/both", func(s *cas.Service) { s.Placement = "both" }),
		at("/lower", func(s *cas.Service) { s.Placement, s.Lowercase = "flat", true }))
	const (
		own = "<cas:authenticationDate>2026-09-15T08:00:00Z</cas:authenticationDate>\n" +
			"<cas:longTermAuthenticationRequestTokenUsed>false</cas:longTermAuthenticationRequestTokenUsed>\n" +
			"<cas:isFromNewLogin>true</cas:isFromNewLogin>\n"
		all    = own + "<cas:memberOf>staff</cas:memberOf>\n<cas:memberOf>it</cas:memberOf>\n"
		nested = "<cas:attributes>\n" + all + "</cas:attributes>\n"
	)
	for path, want := range map[string]string{
		"/nested": nested, "/flat": all, "/both": nested + all,
		"/lower": own + "<cas:memberof>staff</cas:memberof>\n<cas:memberof>it</cas:memberof>\n",
	} {
		service := "https://app.example" + path
		got := h.validate("serviceValidate", "service", service, "ticket", h.browser().ticketFor("alice", service))
		want = "<cas:user>alice</cas:user>\n" + want + "</cas:authenticationSuccess>"
		if !strings.Contains(got.body, want) {
			t.Errorf("%s: %s", path, cmp.Diff(want, got.body))
		}
	}
}

// Programs may post what they ask, and none of it twice.
func TestValidateByPost(t *testing.T) {
	h := open(t)
	post := func(endpoint, query string, fields ...string) validation {
		resp, err := http.Post(h.url+"/cas/"+endpoint+query, "application/x-www-form-urlencoded", strings.NewReader(strings.TrimPrefix(encode(fields), "?")))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		v := validation{body: string(body)}
		if endpoint != "validate" {
			v.read(t)
		}
		return v
	}
	for _, endpoint := range endpoints {
		ticket := h.browser().ticketFor("alice", app)
		query := "?service=" + url.QueryEscape(app)
		if got := post(endpoint, query, "service", app, "ticket", ticket); got.code != "INVALID_REQUEST" && got.body != "no\n\n" {
			t.Errorf("R-CAS-10, %s: %s", endpoint, got.body)
		}
		if got := post(endpoint, "", "service", app, "ticket", ticket); got.user != "alice" && got.body != "yes\nalice\n" {
			t.Errorf("%s: %s", endpoint, got.body)
		}
	}
}

// R-WEB-10: a HEAD spends no ticket and ends no session.
func TestHEAD(t *testing.T) {
	h := open(t)
	b := h.browser()
	ticket := b.ticketFor("alice", app)
	for _, path := range []string{"/cas/validate", "/cas/serviceValidate", "/cas/p3/proxyValidate", "/cas/logout", "/cas/login"} {
		req, err := http.NewRequest(http.MethodHead, h.url+path+encode([]string{"service", app, "ticket", ticket}), nil)
		if a := b.do(req, err); a.StatusCode >= 500 || a.ticket() != "" {
			t.Errorf("%s: %d %s", path, a.StatusCode, a.Header.Get("Location"))
		}
	}
	if got := h.validate("serviceValidate", "service", app, "ticket", ticket); got.user == "" {
		t.Errorf("the ticket: %s", got.body)
	}
	if b.get("/cas/login", "service", app).ticket() == "" {
		t.Error("the session has ended")
	}
}
