package cli_test

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/loge-idp/loge/providers/redis/redistest"
)

// R64: letters from the command line: the output and nothing else, for its
// owner only.
func TestLetters(t *testing.T) {
	environment(t)
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	config := write("loge.yaml", `issuer: http://127.0.0.1:9
keys: ${env:LOGE_TEST_KEYS}
directory: {type: memory, fixtures: [school]}
store: {type: memory}
mail: {type: smtp, host: 127.0.0.1, from: a@b.example}
recovery: {methods: [{type: activationcode}]}
`)
	list := write("list.csv", "\ufeffines.benyoussef;x\nnobody.at-all;\nines.benyoussef;\nsaid.benyoussef;\n")
	at := func(name string) string { return filepath.Join(dir, name) }

	status, out, errs := run(t, "letters", "--config", config, "--where", "ESCOUAI=0990011Z", "--where", "ENTPersonProfils=National_ELV", "--group", "ENTEleveClasses", "--out", at("all.pdf"), "--per-page", "8")
	if status != 0 || !strings.Contains(out, "all.pdf: 1 with a code, 6 that recall the identifier; 1 got none") || !strings.Contains(errs, "8/8") {
		t.Errorf("status %d: %s%s", status, out, errs)
	}
	pdf, err := os.ReadFile(at("all.pdf"))
	if err != nil || !strings.HasPrefix(string(pdf), "%PDF-") {
		t.Errorf("%v, %.20q", err, pdf)
	}
	status, out, errs = run(t, "letters", "--config", config, "--csv", list, "--out", at("list-out.html"))
	if page, err := os.ReadFile(at("list-out.html")); status != 0 || err != nil || strings.Count(string(page), "<article") != 2 {
		t.Errorf("status %d: %s%s, %v", status, out, errs, err)
	}
	status, out, errs = run(t, "letters", "--config", config, "--csv", list, "--out", at("list-out.csv"))
	if status != 0 || !strings.Contains(out, "2 with a code") || !strings.Contains(errs, "list.csv:2: nobody of this identifier") || !strings.Contains(errs, "1 of 4 lines name nobody") {
		t.Errorf("status %d: %s%s", status, out, errs)
	}
	file, err := os.Open(at("list-out.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if rows, err := csv.NewReader(file).ReadAll(); err != nil || len(rows) != 3 {
		t.Errorf("%v, %v", rows, err)
	}
	if info, err := file.Stat(); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}

	// Conditions of all kinds, and lists as spreadsheets write them.
	utf16 := []byte{0xff, 0xfe}
	for _, r := range "ines.benyoussef\tx\r\nsaid.benyoussef\r\n" {
		utf16 = append(utf16, byte(r), 0)
	}
	for want, args := range map[string][]string{
		"2 with a code, 2":   {"--where", "ESCOUAI=0990011Z", "--where", "!mail", "--where", "!ENTEleveClasses=x"},
		"0 with a code, 14":  {"--where", "ESCOUAI=0990011Z", "--where", "mail"},
		"2 with a code, 0 t": {"--csv", write("utf16.csv", string(utf16))},
		"1 with a code, 1":   {"--csv", write("tabs.csv", "ines.benyoussef\tBen-Youssef; Inès\ntom.legoff\t\n")},
	} {
		os.Remove(at("conditions.csv"))
		if status, out, errs := run(t, append([]string{"letters", "--config", config, "--out", at("conditions.csv")}, args...)...); status != 0 || !strings.Contains(out, want) {
			t.Errorf("%v: status %d: %s%s", args, status, out, errs)
		}
	}

	for name, args := range map[string][]string{
		"it is there already":  {"--csv", list, "--out", at("all.pdf")},
		"another kind of file": {"--csv", list, "--out", at("x.odt")},
		"three to a page":      {"--csv", list, "--out", at("x.pdf"), "--per-page", "3"},
		"no folder":            {"--csv", list, "--out", at("none/x.pdf")},
		"nobody":               {"--where", "ESCOUAI=none", "--out", at("x.pdf")},
		"no condition":         {"--where", "shoeSize", "--out", at("x.pdf")},
		"both":                 {"--where", "ESCOUAI=x", "--csv", list, "--out", at("x.pdf")},
		"neither":              {"--out", at("x.pdf")},
	} {
		if status, _, errs := run(t, append([]string{"letters", "--config", config}, args...)...); status != 1 || errs == "" {
			t.Errorf("%s: status %d, %s", name, status, errs)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 8 {
		t.Errorf("%v is left, %v", left, err)
	}
}

// R64: what was printed is listed, and its codes can be ended.
func TestLetterBatches(t *testing.T) {
	environment(t)
	kept := redistest.Start(t)
	dir := t.TempDir()
	config, printed := filepath.Join(dir, "loge.yaml"), filepath.Join(dir, "out.csv")
	if err := os.WriteFile(config, []byte(`issuer: http://127.0.0.1:9
keys: ${env:LOGE_TEST_KEYS}
directory: {type: memory, fixtures: [school]}
store: {type: redis, topology: single, addresses: ["`+kept.Addr+`"]}
mail: {type: smtp, host: 127.0.0.1, from: a@b.example}
recovery: {methods: [{type: activationcode}]}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	letters := func(want int, args ...string) string {
		t.Helper()
		status, out, errs := run(t, append([]string{"letters", "--config", config}, args...)...)
		if status != want {
			t.Fatalf("%v: status %d: %s%s", args, status, out, errs)
		}
		return out + errs
	}
	out := letters(0, "--where", "ESCOUAI=0990011Z", "--out", printed)
	_, name, ok := strings.Cut(out, "Batch ")
	if !ok {
		t.Fatal(out)
	}
	name, _, _ = strings.Cut(name, ".")
	row := func() string {
		t.Helper()
		for line := range strings.Lines(letters(0, "batches", "--config", config)) {
			if strings.HasPrefix(line, name+" ") {
				return strings.Join(strings.Fields(line)[3:], " ")
			}
		}
		t.Fatalf("%s is not listed", name)
		return ""
	}
	if got := row(); got != "cli printed 20/20 2 16 2" {
		t.Error(got)
	}
	letters(1, "revoke", "--config", config, "nothing")
	letters(0, "revoke", "--config", config, name)
	if got := row(); got != "cli revoked 20/20 2 16 2" {
		t.Error(got)
	}
	if out := letters(1, "revoke", "--config", config, name); !strings.Contains(out, "revoked before") {
		t.Error(out)
	}
}
