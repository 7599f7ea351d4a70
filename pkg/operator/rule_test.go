package operator_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/operator"
	"github.com/loge-idp/loge/providers/memory"
)

// theDay is that of the fixtures' cases.
var theDay = time.Date(2026, 9, 15, 8, 0, 0, 0, time.UTC)

// school are the accounts of the fixtures by the last two digits of their uid:
// "S20" is F26x0020.
func school(t *testing.T) map[string]account.Account {
	t.Helper()
	d, err := memory.DirectoryConfig{Fixtures: []string{"school"}, Now: func() time.Time { return theDay }}.Open(t.Context(), directory.Env{})
	if err != nil {
		t.Fatal(err)
	}
	if c, ok := d.(interface{ Close() error }); ok {
		t.Cleanup(func() { _ = c.Close() })
	}
	people := map[string]account.Account{}
	for _, login := range []string{"lea.dalmeida", "noe.besson", "ines.benyoussef", "tom.legoff", "theo.legoff", "eloise.martin", "eloise.martin2",
		"karim.haddad", "jade.o-connor", "claire.dalmeida", "said.benyoussef", "anne.legoff", "yann.legoff", "lucie.tante", "marc.haddad",
		"sophie.dubois-garin", "ahmed.elidrissi", "helene.roy", "bruno.direx", "nadia.adml", "olivier.remp"} {
		a, err := d.Find(t.Context(), login)
		if err != nil {
			t.Fatalf("%s: %v", login, err)
		}
		uid := a.Attributes["uid"][0]
		people["S"+uid[len(uid)-2:]] = a
	}
	return people
}

func among(people map[string]account.Account) operator.Children {
	return func(_ context.Context, _ directory.Query, handles []string) ([]account.Account, error) {
		var found []account.Account
		for _, a := range people {
			if slices.ContainsFunc(handles, func(h string) bool { return strings.EqualFold(h, a.Handle) }) {
				found = append(found, a)
			}
		}
		return found, nil
	}
}

func profile(names ...string) account.Condition {
	c := account.Condition{Attribute: "ENTPersonProfils"}
	for _, name := range names {
		c.In = append(c.In, "National_"+name)
	}
	return c
}

// rules are those of requirement R60. Option: parents says whether a head
// teacher helps the parents too, anyClass whether any teacher of a class does.
func rules(parents, anyClass bool) operator.Rules {
	class := operator.Rule{Name: "head teacher", Who: account.Condition{All: []account.Condition{profile("ENS"), {Attribute: "ENTAuxEnsClassesPrincipal"}}},
		Verbs: []operator.Verb{operator.Vouch}, Over: profile("ELV"),
		Reach: &operator.Reach{Mine: "ENTAuxEnsClassesPrincipal", Theirs: "ENTEleveClasses"}}
	if parents {
		class.Over = profile("ELV", "TUT")
		class.Reach.Relatives = "ENTAuxPersRelEleveEleve"
	}
	if anyClass {
		class.Reach.Mine = "ENTAuxEnsClasses"
	}
	uai := &operator.Reach{Mine: "ESCOUAI", Theirs: "ESCOUAI"}
	return operator.Rules{class,
		{Name: "vie scolaire", Who: profile("EVS"), Rank: 2, Verbs: []operator.Verb{operator.Vouch, operator.Unlock}, Over: profile("ELV", "TUT"), Reach: uai},
		{Name: "local admin", Who: account.Condition{Attribute: "ENTPersonLogin", In: []string{"nadia.adml"}}, Rank: 3,
			Verbs: []operator.Verb{operator.Vouch, operator.Unlock, operator.Letters}, Over: profile("ELV", "TUT", "ENS", "EVS"), Reach: uai},
		{Name: "head", Who: profile("DIR"), Rank: 4, Verbs: []operator.Verb{operator.See}, Reach: uai},
	}
}

// expected is what each account of the fixtures may do by the rules of
// requirement R60; whoever is not named may do nothing.
var expected = map[string]struct {
	parents, anyClass bool
	see, vouch        map[string]string // by operator
}{
	"by the own class": {false, false, map[string]string{
		"S20": "S01 S02 S03 S04 S05 S06",
		"S21": "S01 S09",
		"S22": "S01 S02 S03 S04 S05 S06 S07 S08 S10 S11 S12 S13 S14 S15",
		"S23": "S01 S02 S03 S04 S05 S06 S07 S08 S10 S11 S12 S13 S14 S15 S20 S21 S22 S24 S25",
		"S24": "S01 S02 S03 S04 S05 S06 S07 S08 S10 S11 S12 S13 S14 S15 S20 S21 S22 S25",
	}, map[string]string{
		"S20": "S01 S03 S04 S05 S06",
		"S21": "S01 S09",
		"S22": "S01 S03 S04 S05 S06 S07 S08 S10 S11 S12 S13 S14 S15",
		"S24": "S01 S03 S04 S05 S06 S07 S08 S10 S11 S12 S13 S14 S15 S20 S21 S22",
	}},
	"parents too": {true, false, nil, map[string]string{
		"S20": "S01 S03 S04 S05 S06 S10 S11 S12 S13",
		"S21": "S01 S09 S10",
		"S22": "S01 S03 S04 S05 S06 S07 S08 S10 S11 S12 S13 S14 S15",
		"S24": "S01 S03 S04 S05 S06 S07 S08 S10 S11 S12 S13 S14 S15 S20 S21 S22",
	}},
	"any class": {false, true, nil, map[string]string{
		"S20": "S01 S03 S04 S05 S06 S07",
		"S21": "S01 S03 S04 S05 S06 S09",
		"S22": "S01 S03 S04 S05 S06 S07 S08 S10 S11 S12 S13 S14 S15",
		"S24": "S01 S03 S04 S05 S06 S07 S08 S10 S11 S12 S13 S14 S15 S20 S21 S22",
	}},
	"any class, parents too": {true, true, nil, map[string]string{
		"S20": "S01 S03 S04 S05 S06 S07 S10 S11 S12 S13",
		"S21": "S01 S03 S04 S05 S06 S09 S10 S11 S12 S13",
		"S22": "S01 S03 S04 S05 S06 S07 S08 S10 S11 S12 S13 S14 S15",
		"S24": "S01 S03 S04 S05 S06 S07 S08 S10 S11 S12 S13 S14 S15 S20 S21 S22",
	}},
}

// R60: who may do what to whom, for every account and every other.
func TestRightsInASchool(t *testing.T) {
	people := school(t)
	for name, c := range expected {
		t.Run(name, func(t *testing.T) {
			r := rules(c.parents, c.anyClass)
			if err := r.Validate(); err != nil {
				t.Fatal(err)
			}
			allowed := func(op string, verb operator.Verb) string {
				var got []string
				for _, id := range slices.Sorted(maps.Keys(people)) {
					if r.Allows(t.Context(), people[op], verb, people[id], theDay, among(people)) == nil {
						got = append(got, id)
					}
				}
				return strings.Join(got, " ")
			}
			for _, op := range slices.Sorted(maps.Keys(people)) {
				if got := allowed(op, operator.Vouch); got != c.vouch[op] {
					t.Errorf("%s gives a code to %s; want %s", op, got, c.vouch[op])
				}
				if got := allowed(op, operator.See); c.see != nil && got != c.see[op] {
					t.Errorf("%s sees %s; want %s", op, got, c.see[op])
				}
				for _, verb := range []operator.Verb{operator.Campaign, operator.Decide, operator.Extend, operator.Contact, operator.End} {
					if got := allowed(op, verb); got != "" { // no rule has these verbs
						t.Errorf("%s may %s %s", op, verb, got)
					}
				}
			}
		})
	}
}

// Whoever is refused is told why.
func TestDenied(t *testing.T) {
	people := school(t)
	for name, c := range map[string]struct {
		op, target string
		verb       operator.Verb
		want       error
	}{
		"a pupil whom the school has blocked": {"S20", "S02", operator.Vouch, operator.DeniedState},
		"may be looked at":                    {"S20", "S02", operator.See, nil},
		"another class":                       {"S20", "S07", operator.Vouch, operator.DeniedScope},
		"a colleague":                         {"S20", "S21", operator.See, operator.DeniedScope},
		"oneself":                             {"S20", "S20", operator.Vouch, operator.DeniedSelf},
		"above":                               {"S24", "S23", operator.Vouch, operator.DeniedScope},
		"a verb of another rule":              {"S20", "S01", operator.Unlock, operator.DeniedScope},
		"no operator":                         {"S09", "S01", operator.See, operator.DeniedNoOperator},
		"an account not locked":               {"S22", "S01", operator.Unlock, operator.DeniedState},
	} {
		t.Run(name, func(t *testing.T) {
			err := rules(false, false).Allows(t.Context(), people[c.op], c.verb, people[c.target], theDay, among(people))
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

// Nobody acts on one of the same rank, even where a rule covers both.
func TestRank(t *testing.T) {
	staff := account.Condition{Attribute: "group", In: []string{"desk", "chief"}}
	all := operator.Rules{
		{Name: "desk", Who: account.Condition{Attribute: "group", In: []string{"desk"}}, Verbs: []operator.Verb{operator.End}, Over: staff},
		{Name: "chief", Who: account.Condition{Attribute: "group", In: []string{"chief"}}, Rank: 2, Verbs: []operator.Verb{operator.End}},
	}
	person := func(id, group string) account.Account {
		return account.Account{ID: account.ID(id), Status: account.Active, Attributes: map[string][]string{"group": {group}}}
	}
	for _, c := range []struct {
		op, target account.Account
		want       error
	}{
		{person("1", "desk"), person("2", "desk"), operator.DeniedRank},
		{person("1", "desk"), person("2", "chief"), operator.DeniedRank},
		{person("1", "chief"), person("2", "chief"), operator.DeniedRank},
		{person("1", "chief"), person("2", "desk"), nil},
		{person("1", "chief"), person("2", "none"), nil},
	} {
		if err := all.Allows(t.Context(), c.op, operator.End, c.target, theDay, nil); !errors.Is(err, c.want) {
			t.Errorf("%v over %v: %v, want %v", c.op.Attributes, c.target.Attributes, err, c.want)
		}
	}
}

// A fault of the directory is no refusal and no permission.
func TestFault(t *testing.T) {
	people := school(t)
	fault := errors.New("down")
	err := rules(true, false).Allows(t.Context(), people["S20"], operator.Vouch, people["S10"], theDay,
		func(context.Context, directory.Query, []string) ([]account.Account, error) { return nil, fault })
	var denied operator.Denied
	if !errors.Is(err, fault) || errors.As(err, &denied) {
		t.Error(err)
	}
}

// R-REC-22: an operator whose own account is open no more may nothing.
func TestOperatorThatIsClosed(t *testing.T) {
	r := operator.Rules{{Name: "r", Who: account.Condition{Attribute: "group"}, Verbs: []operator.Verb{operator.End}}}
	for status, want := range map[account.Status]error{account.Active: nil, account.Grace: nil, account.Pending: operator.DeniedNoOperator,
		account.Locked: operator.DeniedNoOperator, account.Disabled: operator.DeniedNoOperator} {
		op := account.Account{ID: "op", Status: status, Attributes: map[string][]string{"group": {"x"}}}
		if err := r.Allows(t.Context(), op, operator.End, account.Account{ID: "a", Status: account.Active}, theDay, nil); !errors.Is(err, want) {
			t.Errorf("%s: %v", status, err)
		}
		if may := r.May(op, operator.End, theDay); may != (want == nil) {
			t.Errorf("%s: shown the way: %v", status, may)
		}
	}
}

func TestParts(t *testing.T) {
	r := operator.Rules{{Name: "r", Who: account.Condition{Attribute: "uai"}, Verbs: []operator.Verb{operator.End},
		Reach: &operator.Reach{Mine: "uai", Theirs: "school", Parts: map[string][]string{"LYC": {"LP"}}}}}
	op := account.Account{ID: "op", Status: account.Active, Attributes: map[string][]string{"uai": {"LYC"}}}
	for where, want := range map[string]error{"LYC": nil, "LP": nil, "COL": operator.DeniedScope} {
		a := account.Account{ID: "a", Status: account.Active, Attributes: map[string][]string{"school": {where}}}
		if err := r.Allows(t.Context(), op, operator.End, a, theDay, nil); !errors.Is(err, want) {
			t.Errorf("%s: %v", where, err)
		}
	}
	if diff := cmp.Diff([]string{"LYC", "LP"}, r.Queries(op, "x", theDay)[0].Where["school"]); diff != "" {
		t.Error(diff)
	}
}

func TestRulesAreReadStrictly(t *testing.T) {
	who := account.Condition{Attribute: "group"}
	for what, r := range map[string]operator.Rule{
		"name":  {Who: who},
		"rank":  {Name: "r", Who: who, Rank: -1},
		"who":   {Name: "r"},
		"reach": {Name: "r", Who: who, Reach: &operator.Reach{Mine: "a"}},
		"verb":  {Name: "r", Who: who, Verbs: []operator.Verb{"set_password"}},
		"not":   {Name: "r", Who: who, Over: account.Condition{In: []string{"x"}}},
	} {
		if err := (operator.Rules{r}).Validate(); err == nil {
			t.Errorf("%s: %s is taken", what, fmt.Sprint(r))
		}
	}
	good := operator.Rule{Name: "r", Who: who}
	if err := (operator.Rules{good}).Validate(); err != nil {
		t.Error(err)
	}
	if err := (operator.Rules{good, good}).Validate(); err == nil {
		t.Error("two rules of one name are taken")
	}
}
