from langchain.chains import LLMChain
from langchain.output_parsers import CommaSeparatedListOutputParser
from langchain_core.prompts import FewShotPromptTemplate, PromptTemplate
from langchain_openai import OpenAI

prompt = FewShotPromptTemplate(
    examples=[
        {"thing": "wheel", "parts": "rim, spokes, hub"},
        {"thing": "chain", "parts": "links, pins"},
    ],
    example_prompt=PromptTemplate.from_template("Thing: {thing}\nParts: {parts}"),
    prefix="List the parts of a thing, separated by commas.",
    suffix="Thing: {thing}\nParts:",
    input_variables=["thing"],
)
chain = LLMChain(llm=OpenAI(), prompt=prompt, output_parser=CommaSeparatedListOutputParser())

for part in chain.predict(thing="brakes"):
    print(part)
