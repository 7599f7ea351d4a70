package render

import (
	"bytes"
	htmltemplate "html/template"
	"slices"
	"text/template/parse"
)

// moving are the words of a template that say something else as time goes by.
// All others give the same for the same arguments.
var moving = []string{"opening", "when", "until"}

// fold shows once what a template shows alike to everybody, at every time:
// labels, links, what the site says of itself. It stays as text, in the place
// of what made it, and only the rest is done for each request. The template
// must have been executed: what html/template adds to escape a value is then
// part of what is folded.
func fold(t *htmltemplate.Template) {
	for _, each := range t.Templates() {
		if each.Tree != nil {
			foldList(t, each.Tree.Root)
		}
	}
}

func foldList(t *htmltemplate.Template, list *parse.ListNode) {
	if list == nil {
		return
	}
	var nodes []parse.Node
	for _, node := range list.Nodes {
		node = foldNode(t, node)
		if text, ok := node.(*parse.TextNode); ok && len(nodes) > 0 {
			if before, ok := nodes[len(nodes)-1].(*parse.TextNode); ok {
				nodes[len(nodes)-1] = textOf(before, slices.Concat(before.Text, text.Text))
				continue
			}
		}
		nodes = append(nodes, node)
	}
	list.Nodes = nodes
}

func textOf(node parse.Node, text []byte) *parse.TextNode {
	return &parse.TextNode{NodeType: parse.NodeText, Pos: node.Position(), Text: text}
}

// foldNode returns what stands in the place of a node.
func foldNode(t *htmltemplate.Template, node parse.Node) parse.Node {
	if constant(node, false) {
		// Executed by itself, in the whole's place: there the functions and
		// escapers are known.
		var out bytes.Buffer
		whole := t.Tree.Root
		t.Tree.Root = &parse.ListNode{NodeType: parse.NodeList, Nodes: []parse.Node{node}}
		err := t.Execute(&out, nil)
		t.Tree.Root = whole
		if err == nil {
			return textOf(node, out.Bytes())
		}
	}
	for _, list := range branches(node) {
		foldList(t, list)
	}
	return node
}

func branches(node parse.Node) []*parse.ListNode {
	switch n := node.(type) {
	case *parse.IfNode:
		return []*parse.ListNode{n.List, n.ElseList}
	case *parse.WithNode:
		return []*parse.ListNode{n.List, n.ElseList}
	case *parse.RangeNode:
		return []*parse.ListNode{n.List, n.ElseList}
	}
	return nil
}

// constant reports whether a node comes out alike whatever a page is about.
// Dot says whether what stands for the dot is constant itself.
func constant(node parse.Node, dot bool) bool {
	switch n := node.(type) {
	case *parse.TextNode, *parse.StringNode, *parse.NumberNode, *parse.BoolNode, *parse.NilNode:
		return true
	case *parse.IdentifierNode:
		return !slices.Contains(moving, n.Ident)
	case *parse.DotNode, *parse.FieldNode:
		return dot
	case *parse.ChainNode:
		return constant(n.Node, dot)
	case *parse.ActionNode:
		return constant(n.Pipe, dot)
	case *parse.PipeNode:
		return len(n.Decl) == 0 && !slices.ContainsFunc(n.Cmds, func(c *parse.CommandNode) bool { return !constant(c, dot) })
	case *parse.CommandNode:
		return allConstant(n.Args, dot)
	case *parse.ListNode:
		return n == nil || allConstant(n.Nodes, dot)
	case *parse.IfNode:
		return constant(n.Pipe, dot) && constant(n.List, dot) && constant(n.ElseList, dot)
	case *parse.WithNode:
		return constant(n.Pipe, dot) && constant(n.List, true) && constant(n.ElseList, dot)
	case *parse.RangeNode:
		return constant(n.Pipe, dot) && constant(n.List, true) && constant(n.ElseList, dot)
	}
	return false // what another template does, variables, break and continue
}

func allConstant(nodes []parse.Node, dot bool) bool {
	return !slices.ContainsFunc(nodes, func(node parse.Node) bool { return !constant(node, dot) })
}
