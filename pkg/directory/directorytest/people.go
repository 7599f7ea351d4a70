package directorytest

import "github.com/loge-idp/loge/pkg/account"

// Person is somebody whom the directory under test holds, and what must be
// said of them.
type Person struct {
	// Login is the stored name.
	Login string
	// Also are other things somebody may type: odd case, alias, mail.
	Also []string
	// Password opens the account; empty when it has none.
	Password string
	Status   account.Status
	Reason   account.Reason
	// Ends is the day of account.Account.Ends in Paris, like 2026-12-31, when
	// the directory's clock is the one of the fixtures; empty for none.
	Ends string
	// Birth is the date of birth, like 2005-03-14, and BirthName the family
	// name at birth where it is another; empty when the directory says none.
	Birth, BirthName string
	// Emails and Phones are the rescue addresses, in order.
	Emails, Phones []string
}

// University is the people of the fictitious university, on the day for which
// its cases are written (U01 to U28).
func University() []Person {
	p := func(login string, emails ...string) Person {
		return Person{Login: login, Password: "Valmont-" + login + "-2026", Status: account.Active, Birth: births[login], Emails: emails}
	}
	until := func(day string, p Person) Person { p.Ends = day; return p }
	phone := func(number string, p Person) Person { p.Phones = append(p.Phones, number); return p }
	is := func(status account.Status, reason account.Reason, p Person) Person {
		p.Status, p.Reason = status, reason
		return p
	}
	unset := func(p Person) Person { p.Password = ""; return p }
	also := func(p Person, names ...string) Person { p.Also = names; return p }
	born := func(name string, p Person) Person { p.BirthName = name; return p }
	return []Person{
		also(until("2027-09-30", phone("+33639980001", p("elefevre", "elodie.l@example.org"))), // U01
			"ELEFEVRE ", " elefevre", "ｅｌｅｆｅｖｒｅ", "Elodie.Lefevre", "elodie.lefevre", "ELODIE.LEFEVRE",
			"Elodie.Lefevre@etu.univ-valmont.example", "elefevre@univ-valmont.example"),
		until("2027-09-30", phone("+33639980002", p("fndiaye"))),                                  // U02
		until("2027-09-30", p("jdupont", "jd1@example.org")),                                      // U03
		until("2027-09-30", p("jdupont2", "jd2@example.net")),                                     // U04
		phone("+33639980005", p("mdelatour", "mala@example.org")),                                 // U05
		until("2027-01-31", phone("+353209100012", p("sobriain", "sean@example.com"))),            // U06
		unset(is(account.Pending, account.ReasonNotActivated, p("hnguyen", "huong@example.com"))), // U07
		p("hbonnefoy"), // U08: the only address is the institution's own
		until("2027-12-31", p("gdelacroix", "g.delacroix@example.org")),                                                     // U09
		until("2026-12-31", is(account.Grace, account.ReasonDeparture, p("kaitouaret", "kahina@example.org"))),              // U10
		until("2026-08-31", is(account.Disabled, account.ReasonExpired, p("ngarcon", "noel@example.org"))),                  // U11
		is(account.Disabled, account.ReasonClosed, p("pleroux", "paul@example.org")),                                        // U12
		phone("+33639980013", unset(is(account.Pending, account.ReasonNotActivated, p("zmartinez", "zoe.mp@example.org")))), // U13
		unset(is(account.Pending, account.ReasonNotActivated, p("akone"))),                                                  // U14
		is(account.Locked, account.ReasonAdministrative, p("tmoreau", "theo@example.org")),                                  // U15
		phone("+33639980016", is(account.Locked, account.ReasonSecurity, p("cbernard", "chloe@example.org"))),               // U16
		until("2027-09-30", p("imichel")),                                      // U17
		until("2027-09-30", p("rgirard", "remi@bounce.example")),               // U18
		until("2027-09-30", p("lmartin", "famille.martin@example.org")),        // U19a
		until("2027-09-30", p("zmartin", "famille.martin@example.org")),        // U19b
		unset(p("asoares", "antonia@example.org")),                             // U20: arrives on 1 October, and stays
		born("Petit", also(p("cpetitleroy", "camille@example.org"), "CPetit")), // U21
		until("2027-09-30", p("suharto", "suharto@example.com")),               // U22
		until("2027-09-30", phone("+33639980023", p("ahassan"))),               // U23
		until("2027-09-30", p("moeuvrard", "maelle@example.org")),              // U24
		phone("+33639980025", p("dlegacy", "domi@example.org")),                // U25
		until("2026-09-30", p("fbadge", "felix@example.org")),                  // U26
		p("u.assist", "nora@example.org"),                                      // U27
		phone("+33639980028", p("u.admin", "gaelle@example.org")),              // U28
	}
}

// School is the people of the fictitious school network (S01 to S25).
func School() []Person {
	p := func(login string, emails ...string) Person {
		return Person{Login: login, Password: "Ent-" + login + "-2026", Status: account.Active, Birth: births[login], Emails: emails}
	}
	phone := func(number string, p Person) Person { p.Phones = append(p.Phones, number); return p }
	is := func(status account.Status, reason account.Reason, p Person) Person {
		p.Status, p.Reason = status, reason
		return p
	}
	also := func(p Person, names ...string) Person { p.Also = names; return p }
	unset := func(p Person) Person { p.Password = ""; return p }
	return []Person{
		also(p("lea.dalmeida", "lea@example.org"), "LEA.DALMEIDA", "Lea@example.org"),        // S01
		is(account.Locked, account.ReasonAdministrative, p("noe.besson", "noe@example.org")), // S02
		unset(is(account.Pending, account.ReasonNotActivated, p("ines.benyoussef"))),         // S03
		p("tom.legoff", "legoff@example.org"),                                                // S04
		p("theo.legoff", "legoff@example.org"),                                               // S05
		p("eloise.martin"),                                                                   // S06
		p("eloise.martin2"),                                                                  // S07
		phone("+33639980108", p("karim.haddad", "karim@example.org")),                        // S08
		p("jade.o-connor"),                                                                   // S09
		phone("+33639980110", p("claire.dalmeida", "claire@example.org")),                    // S10
		unset(is(account.Pending, account.ReasonNotActivated, p("said.benyoussef"))),         // S11
		p("anne.legoff", "legoff@example.org"),                                               // S12
		p("yann.legoff", "yann@example.net"),                                                 // S13
		p("lucie.tante", "lucie@example.org"),                                                // S14
		also(p("marc.haddad", "marc@example.org"), "marc.haddad2", "marc@example.org"),       // S15, and S16 who was merged into it
		p("sophie.dubois-garin", "sophie@example.org"),                                       // S20
		p("ahmed.elidrissi", "ahmed@example.org"),                                            // S21
		p("helene.roy", "helene@example.org"),                                                // S22
		p("bruno.direx", "bruno@example.org"),                                                // S23
		p("nadia.adml", "nadia@example.org"),                                                 // S24
		is(account.Disabled, account.ReasonClosed, p("olivier.remp", "olivier@example.org")), // S25
	}
}

// births are the dates of birth of both; ahassan (U23) has none on file.
var births = map[string]string{
	"elefevre": "2005-03-14", "fndiaye": "2004-12-01", "jdupont": "2005-03-14",
	"jdupont2": "2005-03-14", "mdelatour": "1979-08-30", "sobriain": "2003-02-28",
	"hnguyen": "2002-11-05", "hbonnefoy": "1971-01-09", "gdelacroix": "1949-06-21",
	"kaitouaret": "1988-04-17", "ngarcon": "1983-12-25", "pleroux": "2000-07-07",
	"zmartinez": "2007-05-20", "akone": "2006-09-09", "tmoreau": "2004-10-10",
	"cbernard": "2005-01-31", "imichel": "2005-06-15", "rgirard": "2004-04-04",
	"lmartin": "2005-02-11", "zmartin": "2006-08-19", "asoares": "1990-03-03",
	"cpetitleroy": "1992-02-29", "suharto": "2001-06-08", "moeuvrard": "1998-09-23",
	"dlegacy": "1966-10-02", "fbadge": "1995-05-05", "u.assist": "1985-01-01",
	"u.admin": "1980-01-01", "lea.dalmeida": "2011-05-02", "noe.besson": "2010-11-30",
	"ines.benyoussef": "2010-07-14", "tom.legoff": "2010-02-28", "theo.legoff": "2010-02-28",
	"eloise.martin": "2010-09-01", "eloise.martin2": "2010-09-01", "karim.haddad": "2008-01-15",
	"jade.o-connor": "2012-03-21", "claire.dalmeida": "1980-10-10", "said.benyoussef": "1978-06-06",
	"anne.legoff": "1982-12-12", "yann.legoff": "1981-04-01", "lucie.tante": "1975-03-03",
	"marc.haddad": "1970-01-02", "sophie.dubois-garin": "1984-09-19",
	"ahmed.elidrissi": "1990-08-08", "helene.roy": "1977-07-07", "bruno.direx": "1968-02-02",
	"nadia.adml": "1986-05-25", "olivier.remp": "1993-10-30",
}
