// Package question is the secret question that some schools still ask: an extra
// proof after another one, never a proof alone (requirement R43). The answer is
// known to the directory as a hash only.
package question

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/crypto/argon2"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/render"
)

// Config says where the answers are, and what was asked.
type Config struct {
	// Attribute is the directory's, whose values Hash makes. Required; the
	// directory must be told to read it, and that it is editable if people are
	// to choose their question themselves.
	Attribute string `json:"attribute"`
	// Questions are those that people chose from, by the word that stands for
	// each in the attribute. Required.
	Questions map[string]render.Text `json:"questions"`
}

// Open checks that there is something to ask.
func (c *Config) Open(context.Context, recovery.Env) (recovery.Method, error) {
	switch {
	case c.Attribute == "":
		return nil, plugin.At("attribute", errors.New("is missing; name the attribute of the directory that holds the answers"))
	case len(c.Questions) == 0:
		return nil, plugin.At("questions", errors.New(`is missing; write at least one, like teacher: {fr: "…", en: "…"}`))
	}
	return &method{Config: *c}, nil
}

type method struct {
	recovery.Silent
	Config
}

var _ interface {
	recovery.Asked
	recovery.Choosable
} = (*method)(nil)

func (*method) Name() string { return "question" }

func (m *method) Offers(a account.Account, _ recovery.Purpose) bool {
	_, _, ok := m.chosen(a)
	return ok
}

// Alone implements recovery.Asked: never.
func (*method) Alone(account.Account, recovery.Purpose) bool { return false }

// Wording implements recovery.Worded: the question that this person chose.
func (m *method) Wording(a account.Account, lang string) string {
	text, _, _ := m.chosen(a)
	return text.In(lang)
}

// Choices implements recovery.Choosable.
func (m *method) Choices(lang string) (all []recovery.Choice) {
	for _, word := range slices.Sorted(maps.Keys(m.Questions)) {
		all = append(all, recovery.Choice{Word: word, Text: m.Questions[word].In(lang)})
	}
	return all
}

// minAnswer is how many letters and digits an answer has: a shorter one is
// guessed in the tries there are.
const minAnswer = 3

// Attribute implements recovery.Choosable.
func (m *method) Attribute() string { return m.Config.Attribute }

// Keep implements recovery.Choosable. What else stands in the attribute stays.
func (m *method) Keep(a account.Account, word, answer string) (from, to []string, err error) {
	if _, ok := m.Questions[word]; !ok || len([]rune(strings.ReplaceAll(fold(answer), " ", ""))) < minAnswer {
		return nil, nil, recovery.ErrWrong
	}
	from = a.Values(m.Config.Attribute)
	to = slices.DeleteFunc(slices.Clone(from), func(value string) bool {
		word, _, _ := strings.Cut(value, ":")
		_, ours := m.Questions[word]
		return ours
	})
	return from, append(to, Hash(word, answer)), nil
}

func (m *method) Verify(c recovery.Challenge, a recovery.Answer) bool {
	_, hash, ok := m.chosen(c.Account)
	return ok && matches(hash, a.Code)
}

// chosen is the first question that this configuration knows, and the hash of
// its answer.
func (m *method) chosen(a account.Account) (render.Text, string, bool) {
	for _, value := range a.Values(m.Config.Attribute) {
		word, hash, _ := strings.Cut(value, ":")
		if text, ok := m.Questions[word]; ok && parse(hash) != nil {
			return text, hash, true
		}
	}
	return nil, "", false
}

// The cost of a hash (OWASP Password Storage Cheat Sheet: 19 MiB, two passes),
// and the most that one from the directory may ask for.
const (
	memory, passes, threads = 19 << 10, 2, 1
	maxMemory, maxPasses    = 64 << 10, 10
	saltLen, hashLen        = 16, 32
)

// Hash makes the value of the attribute from the word of a question and its
// answer.
func Hash(word, answer string) string {
	salt := make([]byte, saltLen)
	rand.Read(salt)
	sum := argon2.IDKey([]byte(fold(answer)), salt, passes, memory, threads, hashLen)
	code := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("%s:$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", word, argon2.Version, memory, passes, threads, code(salt), code(sum))
}

// fold leaves letters and digits of an answer: nobody remembers how they wrote
// it.
func fold(answer string) string {
	digits := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, answer)
	return account.FoldName(answer) + " " + digits
}

type hashed struct {
	memory, passes uint32
	threads        uint8
	salt, sum      []byte
}

// parse reads what Hash wrote after the word; nil for anything else, and for
// one that would cost too much to compare.
func parse(text string) *hashed {
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return nil
	}
	h := &hashed{}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.passes, &h.threads); err != nil ||
		h.memory == 0 || h.memory > maxMemory || h.passes == 0 || h.passes > maxPasses || h.threads == 0 {
		return nil
	}
	var wrong [2]error
	h.salt, wrong[0] = base64.RawStdEncoding.DecodeString(parts[4])
	h.sum, wrong[1] = base64.RawStdEncoding.DecodeString(parts[5])
	if wrong[0] != nil || wrong[1] != nil || len(h.salt) < 8 || len(h.sum) != hashLen {
		return nil
	}
	return h
}

func matches(text, answer string) bool {
	h := parse(text)
	if h == nil || strings.TrimSpace(fold(answer)) == "" {
		return false
	}
	sum := argon2.IDKey([]byte(fold(answer)), h.salt, h.passes, h.memory, h.threads, hashLen)
	return subtle.ConstantTimeCompare(sum, h.sum) == 1
}
