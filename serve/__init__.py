"""The Ray Serve graph and its HTTP face. Empty until the glossary service lands."""
