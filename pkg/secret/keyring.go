package secret

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// ErrSeal is returned by Box.Open for anything that this box did not seal:
// truncated, altered, sealed for another use or under another key.
var ErrSeal = errors.New("secret: not sealed by this key for this use")

// MinMaster is the least number of bytes of a master key.
const MinMaster = 32

// Keyring derives every symmetric key of a server from its master keys, one
// per use, by HKDF-SHA256 (RFC 5869). Replicas share the master keys and
// nothing else. It is safe for concurrent use.
type Keyring struct {
	now     func() time.Time
	masters atomic.Pointer[[]*master] // in the order in which they seal
}

// Master is a master key. What is derived, and so must stay the same, is
// derived from the first one; what is sealed is sealed by one after the other.
type Master struct {
	Key []byte // at least MinMaster bytes
	// From is when it begins to seal. Before that it only opens.
	From time.Time
	// Until is when what it sealed is opened no more; zero for never.
	Until time.Time
}

type master struct {
	Master
	aeads sync.Map // use → cipher.AEAD: the key schedule is made once
}

// NewKeyring takes at least MinMaster bytes.
func NewKeyring(key []byte) (*Keyring, error) {
	k := &Keyring{now: time.Now}
	return k, k.Rotate(Master{Key: key})
}

// RandomKeyring makes a keyring that lasts as long as the process: for the
// demo and for tests.
func RandomKeyring() *Keyring {
	key := make([]byte, MinMaster)
	rand.Read(key)
	k, err := NewKeyring(key)
	if err != nil {
		panic(err) // it is long enough
	}
	return k
}

// Rotate replaces all master keys, the first one first. What is sealed by one
// that is no longer among them is not opened any more, and what the replaced
// first one derived is not made again. After an error nothing has changed.
func (k *Keyring) Rotate(first Master, later ...Master) error {
	var masters []*master
	for _, m := range append([]Master{first}, later...) {
		if len(m.Key) < MinMaster {
			return fmt.Errorf("secret: a master key needs at least %d bytes, this one has %d", MinMaster, len(m.Key))
		}
		m.Key = bytes.Clone(m.Key)
		masters = append(masters, &master{Master: m})
	}
	k.masters.Store(&masters)
	return nil
}

// derive makes 32 bytes for a use.
func (m *master) derive(use string) []byte {
	out, err := hkdf.Key(sha256.New, m.Key, nil, "loge "+use, 32)
	if err != nil {
		panic(err) // only for lengths that SHA-256 cannot give
	}
	return out
}

func (m *master) aead(use string) cipher.AEAD {
	if known, ok := m.aeads.Load(use); ok {
		return known.(cipher.AEAD)
	}
	block, err := aes.NewCipher(m.derive("box " + use))
	if err != nil {
		panic(err)
	}
	made, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	known, _ := m.aeads.LoadOrStore(use, made)
	return known.(cipher.AEAD)
}

// Box returns the authenticated encryption for one use.
func (k *Keyring) Box(use string) *Box { return &Box{k, use} }

// Deriver returns the keyed one-way function for one use.
func (k *Keyring) Deriver(use string) *Deriver {
	return &Deriver{(*k.masters.Load())[0].derive("mac " + use)}
}

// Box seals values with AES-256-GCM. It is safe for concurrent use.
type Box struct {
	ring *Keyring
	use  string
}

// Seal returns base64url text that only this box opens, with the same bound
// value: the context that is authenticated but not stored (RFC 5116, AD).
func (b *Box) Seal(plain []byte, bound string) string {
	masters, now := *b.ring.masters.Load(), b.ring.now()
	sealing := masters[0]
	for _, m := range masters[1:] {
		if !m.From.After(now) {
			sealing = m
		}
	}
	return base64.RawURLEncoding.EncodeToString(sealing.aead(b.use).Seal(nil, nil, plain, []byte(bound)))
}

// Open returns what was sealed, or ErrSeal. Only the canonical encoding of a
// sealed value opens, so one value has one spelling.
func (b *Box) Open(sealed, bound string) ([]byte, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil || strings.ContainsAny(sealed, "\r\n") { // which a decoder skips
		return nil, ErrSeal
	}
	now := b.ring.now()
	for _, m := range slices.Backward(*b.ring.masters.Load()) { // most are of the newest
		if !m.Until.IsZero() && !now.Before(m.Until) {
			continue
		}
		if plain, err := m.aead(b.use).Open(nil, nil, raw, []byte(bound)); err == nil {
			return plain, nil
		}
	}
	return nil, ErrSeal
}

// Deriver turns names into secrets that can be made again but not guessed:
// what is derived need never be stored. It is HMAC-SHA256 under a key of its
// own, and safe for concurrent use.
type Deriver struct{ key []byte }

func (d *Deriver) sum(parts []string) []byte {
	mac := hmac.New(sha256.New, d.key)
	for _, p := range parts { // length-prefixed: ("ab","c") is not ("a","bc")
		fmt.Fprintf(mac, "%d:%s", len(p), p)
	}
	return mac.Sum(nil)
}

// Text derives n characters of [0-9A-Za-z], n at most 40 (5.9 bits each).
func (d *Deriver) Text(n int, parts ...string) string { return encode(d.sum(parts), alphabet62, n) }

// Digits derives n decimal digits, n at most 40.
func (d *Deriver) Digits(n int, parts ...string) string {
	return encode(d.sum(parts), alphabet62[:10], n)
}

const alphabet62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// encode writes the low n digits of sum in base len(alphabet). 256 bits hold
// 43 digits of base 62, so the bias of the leading digit is below 2^-17 for
// n of 40 and vanishes below that.
func encode(sum []byte, alphabet string, n int) string {
	x, base, digit := new(big.Int).SetBytes(sum), big.NewInt(int64(len(alphabet))), new(big.Int)
	out := make([]byte, n)
	for i := range out {
		x.DivMod(x, base, digit)
		out[i] = alphabet[digit.Int64()]
	}
	return string(out)
}

// Random returns n random characters of [0-9A-Za-z], each worth 5.95 bits:
// 22 make 131 bits. The alphabet is the one that every CAS client accepts in a
// ticket (CAS 3.0.3 section 3.7).
func Random(n int) string {
	out := make([]byte, 0, n)
	buf := make([]byte, n+n/4+8)
	for len(out) < n {
		rand.Read(buf)
		for _, b := range buf {
			// 248 = 4*62: values above would favour the first letters.
			if b < 248 && len(out) < n {
				out = append(out, alphabet62[b%62])
			}
		}
	}
	return string(out)
}

// Hash returns the SHA-256 of a high-entropy secret in base64url: what is
// kept in place of the secret. Never use it on a password or a short code.
func Hash(value string) string {
	sum := sha256.Sum256([]byte(value))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
