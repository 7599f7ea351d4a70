package docs_test

import (
	"io/fs"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/server"
	"github.com/loge-idp/loge/providers/ldap"
	"github.com/loge-idp/loge/providers/redis"
	"github.com/loge-idp/loge/providers/several"
	"github.com/loge-idp/loge/providers/smtp"
)

// keys are those of a section and of the sections in it, as a file has them.
func keys(t reflect.Type) (all []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		inner := f.Type
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		switch {
		case name == "-":
		case name == "" && !f.Anonymous:
		default:
			if name != "" {
				all = append(all, name)
			}
			if inner.Kind() == reflect.Struct && (f.Anonymous || strings.HasPrefix(inner.PkgPath(), "github.com/loge-idp/loge/providers/")) {
				all = append(all, keys(inner)...)
			}
		}
	}
	return all
}

// The page of the directory has every key, every preset and every way to change
// a password.
func TestDirectoryPageIsWhole(t *testing.T) {
	page := read(t, "directory.md")
	all := append(keys(reflect.TypeFor[ldap.Config]()), keys(reflect.TypeFor[several.Config]())...)
	if len(all) < 50 {
		t.Fatalf("only %d keys: %v", len(all), all)
	}
	for _, name := range append(all, ldap.Presets()...) {
		if !strings.Contains(page, "`"+name+"`") {
			t.Errorf("directory.md does not explain %q", name)
		}
	}
}

// So has the page of the configuration, of what no other page explains.
func TestConfigurationPageIsWhole(t *testing.T) {
	page := read(t, "configuration.md")
	for _, section := range []reflect.Type{reflect.TypeFor[server.Config](), reflect.TypeFor[server.Signing](), reflect.TypeFor[server.Session](), reflect.TypeFor[server.Login](),
		reflect.TypeFor[render.Site](), reflect.TypeFor[render.Help](), reflect.TypeFor[render.Links](), reflect.TypeFor[render.Theme](),
		reflect.TypeFor[redis.Config](), reflect.TypeFor[smtp.Config]()} {
		for _, name := range keys(section) {
			if !strings.Contains(page, "`"+name+"`") && !regexp.MustCompile(`(?m)^ *`+name+`:`).MatchString(page) {
				t.Errorf("configuration.md does not explain %q of %v", name, section)
			}
		}
	}
}

var (
	explained = regexp.MustCompile("(?m)^\\| `(loge_[a-z_]+)` \\|")
	told      = regexp.MustCompile(`"(loge_[a-z]+_[a-z_]+)"`)
)

// The page of the numbers has every name that the source has, and no other.
func TestMetricsPageIsWhole(t *testing.T) {
	want, got := map[string]bool{}, map[string]bool{}
	for _, root := range []string{"../pkg", "../providers"} {
		err := filepath.WalkDir(root, func(file string, _ fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(file, ".go") && !strings.HasSuffix(file, "_test.go") {
				for _, name := range told.FindAllStringSubmatch(read(t, file), -1) {
					want[name[1]] = true
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range explained.FindAllStringSubmatch(read(t, "metrics.md"), -1) {
		got[name[1]] = true
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) < 10 {
		t.Errorf("%d names: %s", len(want), diff)
	}
}
