package redis_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/providers/redis"
	"github.com/loge-idp/loge/providers/redis/redistest"
)

var plugins = plugin.Set[store.Store, struct{}]{
	"redis": func() plugin.Config[store.Store, struct{}] { return &redis.Config{} },
}

// An operator reads one line that says which key, and what to write.
func TestConfigRefused(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for section, want := range map[string]string{
		`{}`: `topology: is missing; write "single", "sentinel" or "cluster"`,
		`{"topology": "double", "addresses": ["a:1"]}`:                                           `topology: no such topology`,
		`{"topology": "single"}`:                                                                 `addresses: is missing`,
		`{"topology": "single", "addresses": ["redis"]}`:                                         `addresses[0]: must be host:port`,
		`{"topology": "single", "addresses": ["a:1", "b:1"]}`:                                    `addresses: holds 2 addresses`,
		`{"topology": "sentinel", "addresses": ["a:1"]}`:                                         `master: is missing`,
		`{"topology": "cluster", "addresses": ["a:1"], "master": "m"}`:                           `master: is only for topology "sentinel"`,
		`{"topology": "cluster", "addresses": ["a:1"], "database": 1}`:                           `database: a cluster has only database 0`,
		`{"topology": "single", "addresses": ["a:1"], "database": -1}`:                           `database: must not be negative`,
		`{"topology": "single", "addresses": ["a:1"], "prefix": "{x}"}`:                          `prefix: must not hold braces`,
		`{"topology": "single", "addresses": ["a:1"], "ca": "ca.pem"}`:                           `ca: is given but tls is not`,
		`{"topology": "single", "addresses": ["a:1"], "tls": true, "ca": "/none"}`:               `ca: cannot be read`,
		`{"topology": "single", "addresses": ["a:1"], "tls": true, "ca": "` + empty + `"}`:       `ca: holds no certificate`,
		`{"topology": "single", "addresses": ["a:1"], "username": "u"}`:                          `password: is missing`,
		`{"topology": "sentinel", "addresses": ["a:1"], "master": "m", "sentinelUsername": "u"}`: `sentinelPassword: is missing`,
		`{"topology": "single", "addresses": ["a:1"], "sentinelPassword": "hush"}`:               `sentinelPassword: is only for topology "sentinel"`,
		`{"topology": "single", "addresses": ["a:1"], "confirm": -1}`:                            `confirm: must not be negative`,
		`{"topology": "single", "addresses": ["a:1"], "poolSize": -1}`:                           `poolSize: must not be negative`,
		`{"topology": "single", "addresses": ["127.0.0.1:1"]}`:                                   `addresses: Redis does not answer`,
		`{"topology": "single", "addresses": ["a:1"], "adresses": []}`:                           `adresses: unknown key`,
		`{"topology": "single", "addresses": ["a:1"], "timeout": 3}`:                             `a duration is written with its unit`,
		`{"topology": "single", "addresses": ["127.0.0.1:1"], "password": "hush", "tls": true}`:  `addresses: Redis does not answer`,
	} {
		section = `{"type": "redis", ` + strings.TrimPrefix(section, "{")
		section = strings.Replace(section, ", }", "}", 1)
		_, err := plugins.Open(t.Context(), plugin.Section(section), struct{}{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n got: %v\nwant: %s", section, err, want)
		} else if strings.ContainsRune(err.Error(), '\n') || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: not one line, or a secret: %q", section, err)
		}
	}
}

func TestPassword(t *testing.T) {
	server := redistest.Start(t, "--requirepass", "hush")
	section := `{"type": "redis", "topology": "single", "addresses": ["` + server.Addr + `"], "database": 3, "password": "`
	if _, err := plugins.Open(t.Context(), plugin.Section(section+`wrong"}`), struct{}{}); err == nil || strings.Contains(err.Error(), "wrong") {
		t.Errorf("with a wrong password: %v", err)
	}
	s, err := plugins.Open(t.Context(), plugin.Section(section+`hush"}`), struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, s)
	s.(interface{ Close() error }).Close()
}

// The Sentinels may ask for another password than the servers.
func TestSentinelPassword(t *testing.T) {
	sentinel := redistest.StartSentinel(t)
	admin := goredis.NewClient(&goredis.Options{Addr: sentinel.Addr})
	defer admin.Close()
	if err := admin.Do(t.Context(), "acl", "setuser", "default", "resetpass", ">hush").Err(); err != nil {
		t.Fatal(err)
	}
	section := `{"type": "redis", "topology": "sentinel", "master": "` + sentinel.Name + `", "addresses": ["` + sentinel.Addr + `"], "sentinelPassword": "`
	if _, err := plugins.Open(t.Context(), plugin.Section(section+`wrong"}`), struct{}{}); err == nil || strings.Contains(err.Error(), "wrong") {
		t.Errorf("with a wrong password: %v", err)
	}
	s, err := plugins.Open(t.Context(), plugin.Section(section+`hush"}`), struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, s)
	s.(io.Closer).Close()
}

func TestTLS(t *testing.T) {
	authority := redistest.NewAuthority(t)
	server := redistest.Start(t, authority.Options()...)
	c := single(server)
	c.TLS = true
	if _, err := c.Open(t.Context(), struct{}{}); err == nil {
		t.Error("a certificate of an unknown authority was accepted")
	}
	c.CA = redistest.NewAuthority(t).File
	if _, err := c.Open(t.Context(), struct{}{}); err == nil {
		t.Error("a certificate of another authority was accepted")
	}
	c.CA = authority.File
	eventually(t, open(t, c))
}

// F-RED-07: a Redis that may evict is refused at start.
func TestEvictionRefused(t *testing.T) {
	server := redistest.Start(t, "--maxmemory-policy", "allkeys-lru")
	_, err := single(server).Open(t.Context(), struct{}{})
	if err == nil || !strings.Contains(err.Error(), "set maxmemory-policy noeviction") {
		t.Errorf("a Redis that evicts: %v", err)
	}
}

// findings returns what the doctor says by whether it is well.
func findings(t *testing.T, s store.Store) (well, ill string) {
	t.Helper()
	for _, f := range s.(store.Examiner).Examine(t.Context()) {
		if f.OK {
			well += f.What + "\n"
		} else if ill += f.What + "\n"; f.Mend == "" {
			t.Errorf("%q without a word on how to mend it", f.What)
		}
	}
	return well, ill
}

func TestExamine(t *testing.T) {
	for _, test := range []struct {
		name      string
		options   []string
		well, ill string
	}{
		{"append-only", []string{"--appendonly", "yes"}, "append-only file enabled: 1", ""},
		{"nothing kept", nil, "when memory is full: noeviction", "append-only file enabled: 0"},
		{"CONFIG forbidden", []string{"--rename-command", "CONFIG", ""}, "when memory is full: noeviction", ""},
		{"INFO and CONFIG forbidden", []string{"--rename-command", "CONFIG", "", "--rename-command", "INFO", ""}, "", "INFO is forbidden"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := open(t, single(redistest.Start(t, test.options...)))
			well, ill := findings(t, s)
			if !strings.Contains(well, test.well) || !strings.Contains(ill, test.ill) {
				t.Errorf("well:\n%sill:\n%s", well, ill)
			}
		})
	}
	t.Run("gone", func(t *testing.T) {
		server := redistest.Start(t)
		s := open(t, single(server))
		server.Stop()
		if well, ill := findings(t, s); well != "" || ill == "" {
			t.Errorf("well:\n%sill:\n%s", well, ill)
		}
	})
	t.Run("eviction turned on later", func(t *testing.T) {
		server := redistest.Start(t)
		s := open(t, single(server))
		admin := goredis.NewClient(&goredis.Options{Addr: server.Addr})
		defer admin.Close()
		admin.ConfigSet(t.Context(), "maxmemory-policy", "volatile-ttl")
		if _, ill := findings(t, s); !strings.Contains(ill, "volatile-ttl") {
			t.Errorf("ill:\n%s", ill)
		}
	})
	t.Run("cluster", func(t *testing.T) {
		cluster := redistest.StartCluster(t)
		well, _ := findings(t, open(t, &redis.Config{Topology: "cluster", Addresses: cluster.Addresses()}))
		for _, node := range cluster.Nodes {
			if !strings.Contains(well, node.Addr+": version ") {
				t.Errorf("nothing on %s in:\n%s", node.Addr, well)
			}
		}
	})
}
