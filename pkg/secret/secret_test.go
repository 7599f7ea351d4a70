package secret_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/loge-idp/loge/pkg/secret"
)

// value is long enough for no other text to hold it by chance.
const value = "correct horse"

type holder struct {
	Open   secret.String
	closed secret.String
	Many   []secret.String
	Link   *secret.String
}

func TestStringIsNeverPrinted(t *testing.T) {
	s := secret.New(value)
	holders := map[string]any{
		"value": s, "pointer": &s, "struct": holder{s, s, []secret.String{s}, &s}, "pointer to struct": &holder{closed: s},
		"list": []secret.String{s}, "map": map[string]secret.String{"k": s}, "any": []any{s}, "unexported in a list": []holder{{closed: s}},
	}
	for name, h := range holders {
		var texts []string
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%08.3f", "%c", "%U", "%p"} {
			texts = append(texts, fmt.Sprintf(verb, h))
		}
		texts = append(texts, fmt.Errorf("place: %v", h).Error())
		marshalled, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(marshalled))
		for _, handler := range []func(*bytes.Buffer) slog.Handler{
			func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
			func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
		} {
			var out bytes.Buffer
			slog.New(handler(&out)).With("with", h).WithGroup("g").Info("m", "key", h)
			texts = append(texts, out.String())
		}
		for _, text := range texts {
			// The last form is how fmt writes bytes.
			for _, form := range []string{value, fmt.Sprintf("%x", value), fmt.Sprintf("%X", value), "99 111 114 114 101"} {
				if strings.Contains(text, form) {
					t.Errorf("%s: printed as %s", name, text)
				}
			}
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, s); got != "[secret]" {
			t.Errorf("%s prints %s", verb, got)
		}
	}
	if text, err := s.MarshalText(); err != nil || string(text) != "[secret]" {
		t.Errorf("as text: %s, %v", text, err)
	}
}

func TestUnmarshalJSON(t *testing.T) {
	var into struct {
		Password secret.String `json:"password"`
	}
	if err := json.Unmarshal([]byte(`{"password":"d\u00e9j\u00e0 \"vu\""}`), &into); err != nil {
		t.Fatal(err)
	}
	if got := into.Password.Reveal(); got != `déjà "vu"` {
		t.Errorf("read %q", got)
	}
	for _, wrong := range []string{`{"password":4711}`, `{"password":true}`, `{"password":["4711"]}`, `{"password":{}}`} {
		err := json.Unmarshal([]byte(wrong), &into)
		if err == nil || strings.Contains(err.Error(), "4711") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
	// A secret that was written instead of revealed is not a secret any more.
	again, err := json.Marshal(into)
	if err != nil || string(again) != `{"password":"[secret]"}` {
		t.Errorf("wrote %s, %v", again, err)
	}
}

func TestEqualAndEmpty(t *testing.T) {
	for _, c := range []struct {
		a, b secret.String
		same bool
	}{
		{secret.New("a"), secret.New("a"), true},
		{secret.New("a"), secret.New("b"), false},
		{secret.New("a"), secret.New("aa"), false},
		{secret.New("a"), secret.String{}, false},
		{secret.New(""), secret.String{}, true},
		{secret.String{}, secret.String{}, true},
	} {
		if c.a.Equal(c.b) != c.same || c.b.Equal(c.a) != c.same {
			t.Errorf("%q and %q: not %v", c.a.Reveal(), c.b.Reveal(), c.same)
		}
	}
	if !(secret.String{}).Empty() || !secret.New("").Empty() || secret.New(" ").Empty() {
		t.Error("empty is wrong")
	}
	if (secret.String{}).Reveal() != "" {
		t.Error("the zero value has a value")
	}
}

func Example() {
	password := secret.New("correct horse")
	fmt.Println("a password:", password)
	fmt.Println("its value:", password.Reveal())

	keys, err := secret.NewKeyring([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		panic(err)
	}
	sealed := keys.Box("form").Seal([]byte("state"), "this browser")
	_, err = keys.Box("form").Open(sealed, "another browser")
	fmt.Println("elsewhere:", errors.Is(err, secret.ErrSeal))
	plain, err := keys.Box("form").Open(sealed, "this browser")
	fmt.Printf("here: %s %v\n", plain, err)
	// Output:
	// a password: [secret]
	// its value: correct horse
	// elsewhere: true
	// here: state <nil>
}
