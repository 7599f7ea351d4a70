package ldapserver

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
)

// object is an entry. It is never changed: a change puts another in its
// place, so that a search needs no lock while it reads.
type object struct {
	dn, key, parent string
	number          int64 // in the order of adding
	attributes      []attribute
	operational     []attribute
	passwords       []string // userPassword, which nobody reads
}

func (o *object) clone() *object {
	c := *o
	copyOf := func(list []attribute) []attribute {
		list = slices.Clone(list)
		for i := range list {
			list[i].values = slices.Clone(list[i].values)
		}
		return list
	}
	c.attributes, c.operational, c.passwords = copyOf(o.attributes), copyOf(o.operational), slices.Clone(o.passwords)
	return &c
}

// isOperational reports whether an attribute is kept apart from a person's
// own: those of the password policy and the identifier.
func isOperational(name string) bool {
	name = strings.ToLower(name)
	return name == "entryuuid" || strings.HasPrefix(name, "pwd")
}

// list is where an attribute is kept.
func (o *object) list(name string) *[]attribute {
	if isOperational(name) {
		return &o.operational
	}
	return &o.attributes
}

func (o *object) values(name string) []string {
	for _, a := range *o.list(name) {
		if strings.EqualFold(a.name, name) {
			return a.values
		}
	}
	return nil
}

// set puts the values of an attribute; none removes it.
func (o *object) set(name string, values []string) {
	if strings.EqualFold(name, "userPassword") {
		o.passwords = values
		return
	}
	list := o.list(name)
	i := slices.IndexFunc(*list, func(a attribute) bool { return strings.EqualFold(a.name, name) })
	switch {
	case i < 0 && len(values) > 0:
		*list = append(*list, attribute{name, values})
	case i >= 0 && len(values) > 0:
		(*list)[i].values = values
	case i >= 0:
		*list = slices.Delete(*list, i, i+1)
	}
}

// tree is the directory information tree.
type tree struct {
	schema  *Schema
	mu      sync.RWMutex
	objects map[string]*object
	order   []string // keys as they were added, for stable answers
	added   int64    // how many ever were
}

func newTree(schema *Schema) *tree { return &tree{schema: schema, objects: map[string]*object{}} }

func (t *tree) get(key string) *object {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.objects[key]
}

// within lists what is in the scope of a search (RFC 4511 section 4.5.1.2).
func (t *tree) within(base string, scope int64) []*object {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var out []*object
	for _, key := range t.order {
		o := t.objects[key]
		switch scope {
		case goldap.ScopeBaseObject:
			if key != base {
				continue
			}
		case goldap.ScopeSingleLevel:
			if o.parent != base {
				continue
			}
		default:
			// A key ends with its parent's, and quotes its values: no value
			// can look like the end of a name.
			if key != base && !strings.HasSuffix(key, ","+base) {
				continue
			}
		}
		out = append(out, o)
	}
	return out
}

// place fills in where an object is, from its DN.
func (t *tree) place(o *object) error {
	parsed, err := goldap.ParseDN(o.dn)
	if err != nil || len(parsed.RDNs) == 0 {
		return &failure{goldap.LDAPResultInvalidDNSyntax, "not a DN"}
	}
	o.key, _ = t.schema.nameKey(o.dn)
	o.parent, _ = t.schema.nameKey((&goldap.DN{RDNs: parsed.RDNs[1:]}).String())
	return nil
}

// add puts a new entry. Its entryUUID, unless given, is made of its DN, so
// that it is the same at the next start.
func (t *tree) add(r record) error {
	o := &object{dn: r.dn}
	if err := t.place(o); err != nil {
		return fmt.Errorf("%s: %w", r.dn, err)
	}
	for _, a := range r.attributes {
		if err := t.acceptable(a.name, a.values); err != nil {
			return fmt.Errorf("%s: %w", r.dn, err)
		}
		o.set(a.name, a.values)
	}
	t.named(o)
	if o.values("entryUUID") == nil {
		b := sha256.Sum256([]byte(o.key))
		b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80 // version 8, RFC 9562
		o.set("entryUUID", []string{fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])})
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.objects[o.key] != nil {
		return &failure{goldap.LDAPResultEntryAlreadyExists, r.dn}
	}
	t.added++
	o.number = t.added
	t.objects[o.key] = o
	t.order = append(t.order, o.key)
	return nil
}

// named puts the values of an entry's own name among its attributes, which whoever
// adds it may leave out (RFC 4511 section 4.7).
func (t *tree) named(o *object) {
	dn, err := goldap.ParseDN(o.dn)
	if err != nil {
		return // place took it, so it is one
	}
	for _, a := range dn.RDNs[0].Attributes {
		if t.schema.equals(a.Type, o.values(a.Type), a.Value) != yes {
			o.set(a.Type, append(o.values(a.Type), a.Value))
		}
	}
}

// change replaces an entry by what edit makes of a copy of it, or of nothing
// when edit fails.
func (t *tree) change(dn string, edit func(o *object) error) error {
	key, ok := t.schema.nameKey(dn)
	if !ok {
		return &failure{goldap.LDAPResultInvalidDNSyntax, "not a DN"}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.objects[key]
	if old == nil {
		return &failure{goldap.LDAPResultNoSuchObject, ""}
	}
	o := old.clone()
	if err := edit(o); err != nil {
		return err
	}
	if !slices.Equal(o.passwords, old.passwords) { // as slapo-ppolicy notes it
		o.set("pwdChangedTime", []string{time.Now().UTC().Format("20060102150405.000000Z")})
	}
	if o.key != key {
		if t.objects[o.key] != nil {
			return &failure{goldap.LDAPResultEntryAlreadyExists, ""}
		}
		delete(t.objects, key)
		t.order[slices.Index(t.order, key)] = o.key
	}
	t.objects[o.key] = o
	return nil
}

// remove takes an entry that has none below it.
func (t *tree) remove(dn string) error {
	key, _ := t.schema.nameKey(dn)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.objects[key] == nil {
		return &failure{goldap.LDAPResultNoSuchObject, ""}
	}
	if t.hasChildren(key) {
		return &failure{goldap.LDAPResultNotAllowedOnNonLeaf, ""}
	}
	delete(t.objects, key)
	t.order = slices.DeleteFunc(t.order, func(k string) bool { return k == key })
	return nil
}

// rootDSE is what anybody may ask of a server (RFC 4512 section 5.1).
func (t *tree) rootDSE() *object {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var contexts []string
	for _, key := range t.order {
		if o := t.objects[key]; t.objects[o.parent] == nil {
			contexts = append(contexts, o.dn)
		}
	}
	return &object{attributes: []attribute{
		{"objectClass", []string{"top"}},
		{"namingContexts", contexts},
		{"supportedLDAPVersion", []string{"3"}},
		{"supportedExtension", []string{passwordModifyOID, whoAmIOID}},
		{"supportedControl", []string{goldap.ControlTypePaging}},
	}}
}

// hasParent reports whether an entry of this name would be below another one. A
// name that is none has nowhere to go, and add says so.
func (t *tree) hasParent(dn string) bool {
	o := &object{dn: dn}
	return t.place(o) != nil || t.get(o.parent) != nil
}

func (t *tree) hasChildren(key string) bool {
	return slices.ContainsFunc(t.order, func(k string) bool { return t.objects[k].parent == key })
}

// acceptable checks values against the one syntax that real trees break:
// ASCII only (IA5).
func (t *tree) acceptable(name string, values []string) error {
	if t.schema.of(name) == caseIgnoreIA5 && slices.ContainsFunc(values, func(v string) bool { return !ascii(v) }) {
		return &failure{goldap.LDAPResultInvalidAttributeSyntax, name + ": value is not IA5"}
	}
	return nil
}

// failure is an LDAP result other than success.
type failure struct {
	code uint16
	text string
}

func (f *failure) Error() string { return goldap.LDAPResultCodeMap[f.code] + ": " + f.text }
