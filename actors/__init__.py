"""Plain callables that Ray Data places in pools: writers, speakers, judges. None of them imports Ray."""
