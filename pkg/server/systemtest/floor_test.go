package systemtest_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"
	goredis "github.com/redis/go-redis/v9"

	"github.com/loge-idp/loge/providers/memory/fixtures"
)

// floorVariable makes this test binary a floor server: the address of an LDAP
// server and of a Redis, with a space between.
const floorVariable = "SYSTEMTEST_FLOOR"

// serveFloor does, for the three requests of a login, the work that nobody can
// leave out, and nothing else: a page of the same size, a search and a bind on
// kept connections, as many round trips to Redis, one signature. It says where
// it listens and ends with its parent.
func serveFloor(servers string) {
	ldapURL, redisAddress, _ := strings.Cut(servers, " ")
	dial := func(dn, password string) *goldap.Conn {
		conn, err := goldap.DialURL(ldapURL)
		if err == nil && dn != "" {
			err = conn.Bind(dn, password)
		}
		orEnd(err)
		return conn
	}
	searches := dial(fixtures.ReaderDN(fixtures.UniversitySuffix), services.Reader)
	binds := dial("", "")
	redis := goredis.NewClient(&goredis.Options{Addr: redisAddress})
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	orEnd(err)
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	orEnd(err)
	form := bytes.Repeat([]byte("loge"), 1000)
	trip := func(r *http.Request) {
		pipe := redis.Pipeline()
		pipe.Set(r.Context(), "floor", "floor", 0)
		pipe.Get(r.Context(), "floor")
		_, err := pipe.Exec(r.Context())
		orEnd(err)
	}

	mux := http.NewServeMux()
	mux.HandleFunc("GET /form", func(w http.ResponseWriter, _ *http.Request) { w.Write(form) })
	mux.HandleFunc("POST /password", func(w http.ResponseWriter, r *http.Request) {
		found, err := searches.Search(goldap.NewSearchRequest("ou=people,"+fixtures.UniversitySuffix, goldap.ScopeWholeSubtree, 0, 2, 0, false,
			"(uid="+goldap.EscapeFilter(r.FormValue("username"))+")", nil, nil))
		orEnd(err)
		orEnd(binds.Bind(found.Entries[0].DN, r.FormValue("password")))
		trip(r)
		trip(r)
		http.Redirect(w, r, callback+"?code=1", http.StatusSeeOther)
	})
	for name, key := range map[string]crypto.Signer{"portal": rsaKey, "quick": ecKey} {
		mux.HandleFunc("POST /token/"+name, func(w http.ResponseWriter, r *http.Request) {
			trip(r)
			sum := sha256.Sum256([]byte(r.FormValue("code")))
			signature, err := key.Sign(rand.Reader, sum[:], crypto.SHA256)
			orEnd(err)
			w.Write(signature)
		})
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	orEnd(err)
	fmt.Println("floor", listener.Addr())
	orEnd(http.Serve(listener, mux))
}

func orEnd(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
