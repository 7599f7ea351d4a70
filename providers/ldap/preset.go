package ldap

import (
	"cmp"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"
)

// Schema says what a directory calls things. A preset is one of these in a
// file; whatever a configuration sets replaces the preset's value, key by key.
type Schema struct {
	// Filter is the LDAP filter that every account matches.
	Filter     string     `json:"filter"`
	Attributes Attributes `json:"attributes"`
	// State is where the state of an account is read: "supann", "ent", "schac",
	// "ppolicy", "active-directory", "389ds". The severest answer holds.
	State []string `json:"state"`
	// PasswordChange is how a password is set: "rfc3062" (Password Modify),
	// "modify" (userPassword as it is, for servers that hash by themselves) or
	// "ad" (unicodePwd, over TLS only).
	PasswordChange string `json:"passwordChange"`
}

// Attributes are the names of the attributes of an account.
type Attributes struct {
	// ID never changes for a person and is never given again (requirement
	// R3): a single value. objectGUID is read and written as a UUID.
	ID string `json:"id"`
	// Login is the name sent to services; with several values, the first.
	Login string `json:"login"`
	// Lookup are the attributes in which a typed login is looked up (R1).
	// For one that the schema compares by case, "name:usualCases" also tries
	// lower case, capitals and initial capitals, by the index;
	// "name:caseIgnoreMatch" finds every spelling by an extensible filter,
	// for which OpenLDAP reads all entries (24 ms instead of 0.5 for 20,000).
	Lookup     []string `json:"lookup"`
	Name       string   `json:"name"`
	GivenName  string   `json:"givenName"`
	FamilyName string   `json:"familyName"`
	Mail       string   `json:"mail"`
	Language   string   `json:"language"`
	// Birth is where a date of birth may be, the first that can be read holds
	// (R4); BirthName is the family name at birth.
	Birth     []string `json:"birth"`
	BirthName string   `json:"birthName"`
	// PasswordSet is where a server notes when a password was set; of several
	// the latest holds.
	PasswordSet []string `json:"passwordSet"`
	// MergedInto names the DN of the entry that an entry was merged into: its
	// logins are names of that account, whose password counts.
	MergedInto string `json:"mergedInto"`
	// Children is where an entry lists, by DN, those over whom the person has
	// parental authority. Where it is set, minors without a contact of their own
	// get back in by those of their relatives (R63). A person who is merely in
	// charge of a child has nothing there.
	Children string `json:"children"`
	// Emails and Phones are where rescue addresses are found, in the order in
	// which they are offered (R20). "supannMailPrive{SECOURS}" takes the
	// values labelled {SECOURS} only (SUPANN).
	Emails []string `json:"emails"`
	Phones []string `json:"phones"`
	// Frozen is where it is kept which of them must not be used, because
	// somebody else reads there: an attribute of several values, which may hold
	// others too. None can be frozen when it is unset.
	Frozen string `json:"frozen"`
	// Release are the attributes that services may be given.
	Release []string `json:"release"`
	// Search is where operators' searches look: "cn*" for parts of a name,
	// "supannEtuId" or "supannMailPrive{SECOURS}" for a whole value.
	Search []string `json:"search"`
	// Editable are the attributes that operators and forms may change, where
	// their own rules allow it. Contacts need not be among them.
	Editable []string `json:"editable"`
	// ASCII are the attributes whose syntax is IA5 String (R7).
	ASCII []string `json:"ascii"`
}

// attributeName is what may stand for an attribute in a filter (RFC 4512 section 2.5),
// with a matching rule where one may be.
var attributeName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*(:[A-Za-z0-9.]+)?$`)

// placeName is "attribute", "attribute{LABEL}", and in searches "attribute*".
var placeName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*(\{[^{}]+\}|\*)?$`)

func (s Schema) check() error {
	for _, name := range s.State {
		if _, ok := sources[name]; !ok {
			return fmt.Errorf("state: nothing is called %q", name)
		}
	}
	if _, ok := passwordChanges[s.PasswordChange]; !ok {
		return fmt.Errorf("passwordChange: must be rfc3062, modify or ad, not %q", s.PasswordChange)
	}
	if _, err := goldap.CompileFilter(s.Filter); err != nil {
		return fmt.Errorf("filter: is no LDAP filter (RFC 4515): %w", err)
	}
	return s.Attributes.check()
}

func (a Attributes) check() error {
	if len(a.Lookup) == 0 {
		return errors.New("attributes.lookup: at least one attribute is needed")
	}
	for _, l := range a.Lookup {
		if !attributeName.MatchString(l) {
			return fmt.Errorf("attributes.lookup: %q is no name of an attribute", l)
		}
	}
	for key, list := range map[string][]string{"emails": a.Emails, "phones": a.Phones, "search": a.Search} {
		for _, where := range list {
			if !placeName.MatchString(where) {
				return fmt.Errorf("attributes.%s: %q is neither the name of an attribute nor attribute{LABEL}", key, where)
			}
		}
	}
	for _, name := range a.Editable {
		switch strings.ToLower(name) {
		case "userpassword", "unicodepwd":
			return fmt.Errorf("attributes.editable: %s is changed by a new password only", name)
		case strings.ToLower(a.ID):
			return fmt.Errorf("attributes.editable: %s never changes", name)
		}
		if !attributeName.MatchString(name) || strings.Contains(name, ":") {
			return fmt.Errorf("attributes.editable: %q is no name of an attribute", name)
		}
	}
	if a.Children != "" && (!attributeName.MatchString(a.Children) || strings.Contains(a.Children, ":")) {
		return fmt.Errorf("attributes.children: %q is no name of an attribute", a.Children)
	}
	if a.Frozen != "" && (!attributeName.MatchString(a.Frozen) || strings.Contains(a.Frozen, ":") || strings.EqualFold(a.Frozen, a.ID)) {
		return fmt.Errorf("attributes.frozen: %q is no attribute that could be written to", a.Frozen)
	}
	if !attributeName.MatchString(a.ID) || !attributeName.MatchString(a.Login) {
		return errors.New("attributes.id, attributes.login: each must name an attribute")
	}
	return nil
}

//go:embed presets
var presets embed.FS

// Presets names the presets there are.
func Presets() []string {
	files, _ := presets.ReadDir("presets")
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(f.Name(), ".json"))
	}
	return names
}

// schema is the preset with what the configuration replaces.
func (c Config) schema() (Schema, error) {
	name := cmp.Or(c.Preset, "inetorgperson")
	if !slices.Contains(Presets(), name) {
		return Schema{}, fmt.Errorf("preset: none is called %q; known: %s", name, strings.Join(Presets(), ", "))
	}
	file, err := presets.ReadFile(path.Join("presets", name+".json"))
	if err != nil {
		return Schema{}, err
	}
	var base Schema
	if err := json.Unmarshal(file, &base); err != nil {
		return Schema{}, fmt.Errorf("preset %s: %w", name, err)
	}
	mine := c.Schema
	return Schema{
		Filter: cmp.Or(mine.Filter, base.Filter),
		Attributes: Attributes{
			ID:          cmp.Or(mine.Attributes.ID, base.Attributes.ID),
			Login:       cmp.Or(mine.Attributes.Login, base.Attributes.Login),
			Lookup:      set(mine.Attributes.Lookup, base.Attributes.Lookup),
			Name:        cmp.Or(mine.Attributes.Name, base.Attributes.Name),
			GivenName:   cmp.Or(mine.Attributes.GivenName, base.Attributes.GivenName),
			FamilyName:  cmp.Or(mine.Attributes.FamilyName, base.Attributes.FamilyName),
			Mail:        cmp.Or(mine.Attributes.Mail, base.Attributes.Mail),
			Language:    cmp.Or(mine.Attributes.Language, base.Attributes.Language),
			Birth:       set(mine.Attributes.Birth, base.Attributes.Birth),
			BirthName:   cmp.Or(mine.Attributes.BirthName, base.Attributes.BirthName),
			PasswordSet: set(mine.Attributes.PasswordSet, base.Attributes.PasswordSet),
			MergedInto:  cmp.Or(mine.Attributes.MergedInto, base.Attributes.MergedInto),
			Children:    cmp.Or(mine.Attributes.Children, base.Attributes.Children),
			Emails:      set(mine.Attributes.Emails, base.Attributes.Emails),
			Phones:      set(mine.Attributes.Phones, base.Attributes.Phones),
			Frozen:      cmp.Or(mine.Attributes.Frozen, base.Attributes.Frozen),
			Release:     set(mine.Attributes.Release, base.Attributes.Release),
			Search:      set(mine.Attributes.Search, base.Attributes.Search),
			Editable:    set(mine.Attributes.Editable, base.Attributes.Editable),
			ASCII:       set(mine.Attributes.ASCII, base.Attributes.ASCII),
		},
		State:          set(mine.State, base.State),
		PasswordChange: cmp.Or(mine.PasswordChange, base.PasswordChange),
	}, nil
}

// set is the first list that was written, an empty one included.
func set(mine, base []string) []string {
	if mine != nil {
		return mine
	}
	return base
}
