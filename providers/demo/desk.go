package demo

import (
	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/operator"
	"github.com/loge-idp/loge/pkg/server"
)

// desk is who helps whom: the help desk and the administrators of the
// university; in the school network the head teacher of a class and the local
// administrator of a school.
func desk() server.Desk {
	login := func(login string) account.Condition {
		return account.Condition{Attribute: account.ValueLogin, In: []string{login}}
	}
	profile := func(in ...string) account.Condition {
		return account.Condition{Attribute: "ENTPersonProfils", In: in}
	}
	university := account.Condition{Attribute: "eduPersonAffiliation"}
	help := []operator.Verb{operator.Unlock, operator.Vouch, operator.Contact, operator.End, operator.Requests, operator.Extend}
	return server.Desk{Groups: []string{"ENTEleveClasses"}, Rules: operator.Rules{
		{Name: "assistance", Who: login("u.assist"), Verbs: help, Over: university},
		{Name: "administration", Who: login("u.admin"), Rank: 2, Verbs: append([]operator.Verb{operator.Decide, operator.Letters}, help...), Over: university},
		{Name: "professeur principal", Who: account.Condition{Attribute: "ENTAuxEnsClassesPrincipal"}, Verbs: []operator.Verb{operator.Vouch},
			Over:  profile("National_ELV", "National_TUT"),
			Reach: &operator.Reach{Mine: "ENTAuxEnsClassesPrincipal", Theirs: "ENTEleveClasses", Relatives: "ENTAuxPersRelEleveEleve"}},
		{Name: "administration locale", Who: login("nadia.adml"), Rank: 2, Verbs: []operator.Verb{operator.Unlock, operator.Vouch, operator.Contact, operator.End, operator.Letters},
			Over: profile("National_ELV", "National_TUT", "National_ENS", "National_EVS"), Reach: &operator.Reach{Mine: "ESCOUAI", Theirs: "ESCOUAI"}},
	}}
}
