package cas

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// element is any XML.
type element struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Text     string     `xml:",chardata"`
	Children []element  `xml:",any"`
}

// parse reads one well-formed document.
func parse(text string) (element, error) {
	decoder := xml.NewDecoder(strings.NewReader(text))
	var root element
	if err := decoder.Decode(&root); err != nil {
		return root, err
	}
	for {
		next, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return root, nil
		}
		if err != nil {
			return root, err
		}
		if _, more := next.(xml.StartElement); more {
			return root, errors.New("a second root element")
		}
	}
}

// attr is an attribute without a namespace.
func (e element) attr(name string) string {
	for _, a := range e.Attrs {
		if a.Name.Space == "" && a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// find returns all elements of a name at any depth, the element itself
// included.
func (e element) find(space, local string) []element {
	var found []element
	if e.XMLName.Space == space && e.XMLName.Local == local {
		found = append(found, e)
	}
	for _, child := range e.Children {
		found = append(found, child.find(space, local)...)
	}
	return found
}

func (e element) text() string { return strings.TrimSpace(e.Text) }

// namespace is that of all answers (CAS 3.0.3 appendix A).
const namespace = "http://www.yale.edu/tp/cas"

// What an answer can be.
const (
	success      = "authenticationSuccess"
	failure      = "authenticationFailure"
	proxySuccess = "proxySuccess"
	proxyFailure = "proxyFailure"
)

// answer is what a validation or /proxy said.
type answer struct {
	page
	kind        string
	order       []string // names of the children
	user        string
	code        string
	description string
	iou         string
	proxyTicket string
	proxies     []string
	attributes  []pair
	nested      bool // the attributes stand in an element of their own
}

type pair struct{ name, value string }

// value is that of an attribute, the first.
func (a answer) value(name string) string {
	for _, p := range a.attributes {
		if p.name == name {
			return p.value
		}
	}
	return ""
}

func (a answer) says() string {
	switch a.kind {
	case success:
		return "authenticationSuccess for " + a.user
	case proxySuccess:
		return "proxySuccess"
	}
	return fmt.Sprintf("%s %s: %s", a.kind, a.code, excerpt(a.description, 100))
}

// readXML reads an answer by names and namespace; prefixes are free.
func readXML(p page) (answer, error) {
	root, err := parse(p.body)
	if err != nil {
		return answer{}, err
	}
	if root.XMLName != (xml.Name{Space: namespace, Local: "serviceResponse"}) {
		return answer{}, fmt.Errorf("the root is {%s}%s", root.XMLName.Space, root.XMLName.Local)
	}
	if len(root.Children) != 1 {
		return answer{}, fmt.Errorf("serviceResponse holds %d elements", len(root.Children))
	}
	body := root.Children[0]
	a := answer{page: p, kind: body.XMLName.Local, code: body.attr("code"), description: body.text()}
	if body.XMLName.Space != namespace || !slices.Contains([]string{success, failure, proxySuccess, proxyFailure}, a.kind) {
		return answer{}, fmt.Errorf("serviceResponse holds {%s}%s", body.XMLName.Space, a.kind)
	}
	for _, child := range body.Children {
		if child.XMLName.Space != namespace {
			return answer{}, fmt.Errorf("%s holds {%s}%s", a.kind, child.XMLName.Space, child.XMLName.Local)
		}
		a.order = append(a.order, child.XMLName.Local)
		switch child.XMLName.Local {
		case "user":
			a.user += child.text()
		case "proxyGrantingTicket":
			a.iou = child.text()
		case "proxyTicket":
			a.proxyTicket = child.text()
		case "proxies":
			for _, each := range child.Children {
				a.proxies = append(a.proxies, each.text())
			}
		case "attributes":
			a.nested = true
			for _, each := range child.Children {
				a.attributes = append(a.attributes, pair{each.XMLName.Local, each.text()})
			}
		}
	}
	return a, nil
}

// readJSON reads an answer of format=JSON (CAS 3.0.3 section 2.5.2).
func readJSON(p page) (answer, error) {
	var document struct {
		Response map[string]struct {
			User        string
			Code        string
			Description string
			IOU         string `json:"proxyGrantingTicket"`
			Ticket      string `json:"proxyTicket"`
			Proxies     []string
			Attributes  map[string]any
		} `json:"serviceResponse"`
	}
	if err := json.Unmarshal([]byte(p.body), &document); err != nil {
		return answer{}, err
	}
	if len(document.Response) != 1 {
		return answer{}, fmt.Errorf("serviceResponse holds %d members", len(document.Response))
	}
	a := answer{page: p}
	for kind, body := range document.Response {
		a.kind, a.user, a.code, a.description = kind, body.User, body.Code, body.Description
		a.iou, a.proxyTicket, a.proxies = body.IOU, body.Ticket, body.Proxies
		a.nested = body.Attributes != nil
		for name, value := range body.Attributes {
			switch value := value.(type) {
			case []any:
				for _, each := range value {
					a.attributes = append(a.attributes, pair{name, fmt.Sprint(each)})
				}
			default:
				a.attributes = append(a.attributes, pair{name, fmt.Sprint(value)})
			}
		}
	}
	if !slices.Contains([]string{success, failure, proxySuccess, proxyFailure}, a.kind) {
		return answer{}, fmt.Errorf("serviceResponse holds %q", a.kind)
	}
	return a, nil
}

// ask calls a validation or /proxy and reads the XML.
func (t *trial) ask(endpoint string, pairs ...string) answer {
	p := t.call(endpoint, pairs...)
	a, err := readXML(p)
	if err != nil {
		t.failf("not a CAS answer: %v; %s", err, p.says())
	}
	return a
}

// accepted ends the trial unless the answer is a success for the account.
func (t *trial) accepted(a answer) answer {
	if a.kind != success || a.user == "" {
		t.failf("%s", a.says())
	}
	return a
}

// refused ends the trial unless the answer is a failure; with codes, one of
// them.
func (t *trial) refused(a answer, codes ...string) answer {
	switch {
	case a.kind != failure && a.kind != proxyFailure:
		t.failf("%s", a.says())
	case len(codes) > 0 && !slices.Contains(codes, a.code):
		t.failf("%s", a.says())
	}
	return a
}
